"""Result files of a tracker, and the record of what they were made with.

`<results_path>/<tracker>/<parameters>[_<run>]/` holds for each finished sequence
- `<sequence>.txt`: a row `x y w h` per frame, tab-separated, 0-based pixels; written last, so it means "complete";
- `<sequence>_time.txt`: seconds per frame (first row: initialization);
- `<sequence>_object_presence_scores.txt` and `<sequence>_flags.txt`, of trackers that report them;
- `<sequence>_info.json`: seed, frames, what the data was (`result_identity`), image size, fps, peak memory, number of
  updates that were undone (null: the tracker does not say), date, software and device of this sequence;
and one `run.json` with every parameter, a hash of all that changes results, and the software and device of the process
that began. Results with another hash, and results of other images, are never reused and never mixed with new ones; what
gives way to new ones is set aside. Hidden files are there while somebody writes: claims (`.<sequence>.claim`) and texts
that are not complete.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.common.claims import claim, is_held
from ltr.common.environment import config_file
from ltr.common.errors import InputError
from ltr.common.files import differences, read_record, temporary_beside, with_defaults, write_atomic
from ltr.common.image import image_size
from ltr.common.provenance import LOAD, check_device, describe_environment
from ltr.dataset.annotations import read_boxes, read_table
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.frame_loop import Output
from pytracking.evaluation.result_identity import Describe, Found, describe_data, find_result
from pytracking.evaluation.result_names import TakenNames, file_names, info_name, set_aside
from pytracking.evaluation.tracker_setup import TrackerSetup
from pytracking.utils.params import chance

FORMAT = 1  # raised when the files change, or when a change of the code makes old results incomparable
BYTES_PER_FRAME = 100  # of all files of a sequence together


class UnwritableError(InputError):
    """Results cannot be written: a full disk, missing rights."""


@dataclass(frozen=True)
class SequenceResult:
    """Stored output of one sequence."""

    boxes: np.ndarray  # (N, 4)
    time: np.ndarray  # (N,) seconds; empty where the file is missing
    scores: np.ndarray  # (N,) presence scores; empty where the tracker has none
    flags: list[str]  # N flags; empty where the tracker has none

    @property
    def fps(self) -> float:
        """Frames per second of tracker time, image reading excluded; NaN without times."""
        return len(self.time) / float(self.time.sum()) if self.time.sum() > 0 else float("nan")


def result_file(folder: Path, sequence: str) -> Path:
    """File of the boxes of a sequence."""
    return folder / f"{sequence}.txt"


def load_result(folder: Path, sequence: str) -> SequenceResult:
    """Read the stored output of a sequence. Raises InputError where it is missing or malformed."""
    boxes = result_file(folder, sequence)
    if not boxes.exists():
        raise InputError(f"no result of sequence '{sequence}' in {folder}; run the tracker on it first")
    flags = folder / f"{sequence}_flags.txt"
    return SequenceResult(
        read_boxes(boxes),
        _read_column(folder / f"{sequence}_time.txt"),
        _read_column(folder / f"{sequence}_object_presence_scores.txt"),
        flags.read_text(encoding="utf-8").splitlines() if flags.exists() else [],
    )


def _read_column(path: Path) -> np.ndarray:
    return read_table(path, columns=1)[:, 0] if path.exists() else np.empty(0)


def stores_of(trackers: Iterable[TrackerSetup]) -> list[ResultStore]:
    """A store for each tracker; runs of one tracker are described once, since hashing a network takes a second.

    Where parameters are drawn by chance, each run has its own. Raises what `describe_run` raises.
    """
    records: dict[str, dict[str, Any]] = {}
    stores = []
    for tracker in trackers:
        settings = (tracker.name, tracker.parameter_name, tracker.overrides, tracker.seed, tracker.device)
        is_plain = type(tracker).get_parameters is TrackerSetup.get_parameters
        key = repr((type(tracker), *settings, None if is_plain else id(tracker)))
        record = records.get(key) or describe_run(tracker)
        if not chance.is_used:
            records[key] = record
        stores.append(ResultStore(tracker, record | {"run_id": tracker.run_id}))
    return stores


class ResultStore:
    """The results of one tracker: what is there already, and how new ones are added."""

    def __init__(self, tracker: TrackerSetup, record: dict[str, Any] | None = None) -> None:
        """`record` is that of `describe_run`, where it is known. Raises what `describe_run` raises."""
        self.folder = tracker.results_dir
        self.device = tracker.device
        self.record = describe_run(tracker) if record is None else record
        self._defaults = tracker.tracker_class().params_class.defaults()
        self.hash = self._agreed_hash()

    def open(self, overwrite: bool = False) -> Path | None:
        """Make the folder ready for results of these parameters.

        With `overwrite`, results of other parameters are set aside, in the folder that is returned.
        Raises InputError, listing what differs, where such results exist otherwise, and where another process is
        writing to them; UnwritableError where the folder cannot be written.
        """
        aside = None
        if not (self.folder / "run.json").exists() or self.difference():
            try:
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                with claim(self.folder.with_name(f".{self.folder.name}.claim"), wait=True):
                    aside = self._open(overwrite)
            except OSError as error:
                raise self._unwritable(error) from error
        self.hash = self._agreed_hash()
        return aside

    def check_parameters(self, overwrite: bool = False) -> None:
        """Raise InputError, listing what differs, where results of other parameters are there and are to stay."""
        if not overwrite and (difference := self.conflict()):
            raise InputError(
                f"{self.folder} holds results made with other parameters:\n{difference}\n"
                "  give another --runid, or --overwrite to set those results aside and start afresh"
            )

    def _open(self, overwrite: bool) -> Path | None:
        self.check_parameters(overwrite)
        path = self.folder / "run.json"
        set_aside = self._set_aside() if overwrite and self.difference() else None
        if self.difference():
            path.unlink()  # of a start that came to nothing
        self.folder.mkdir(exist_ok=True)
        self._remove_temporaries(path)
        if not path.exists():
            described = describe_environment(self.device)
            # This process may run nothing itself: the load is that of each result.
            environment = {name: value for name, value in described.items() if name not in LOAD}
            write_atomic(path, json.dumps(self.record | {"environment": environment}, indent=1) + "\n")
        return set_aside

    def is_complete(self, seq: Sequence) -> bool:
        """Whether the sequence has a result. Raises InputError where that was made on other frames or boxes."""
        found = self.find(seq)
        if found.state == "other":
            raise InputError(found.text)
        return found.state == "complete"

    def find(self, seq: Sequence, describe: Describe = describe_data) -> Found:
        """What there is of a sequence. Raises InputError where its frames or boxes cannot be listed."""
        boxes = result_file(self.folder, seq.name)
        return find_result(boxes, seq, self.sequence_key(seq), describe) if boxes.exists() else Found("nothing")

    @contextlib.contextmanager
    def claim(self, seq: Sequence) -> Iterator[None]:
        """Be the only process that runs this sequence. Raises ClaimedError where another one is, and UnwritableError.

        What a killed process left half written is removed. Raises InputError where files of another sequence have the
        names of this one's.
        """
        with contextlib.ExitStack() as stack:
            try:
                self._check_names(seq)
                stack.enter_context(claim(self._claim_file(seq.name)))
                self._remove_temporaries(*(self.folder / name for name in (*file_names(seq.name), _probe(seq))))
            except OSError as error:
                raise self._unwritable(error) from error
            yield

    def check_writable(self, seq: Sequence) -> None:
        """Raise UnwritableError now rather than after an hour of tracking: room is needed for the result."""
        probe = temporary_beside(self.folder / _probe(seq))
        try:
            _write_synced(probe, "0" * BYTES_PER_FRAME * len(seq))
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)

    def save(self, seq: Sequence, output: Output, seed: int) -> None:
        """Write the files of one sequence, the boxes last. Raises as `write`."""
        self.write(seq, self.render(seq, output, seed))

    def render(self, seq: Sequence, output: Output, seed: int) -> dict[str, str]:
        """Texts of the files of one sequence, by file name, with the software and device of this process."""
        seconds = sum(output["time"])
        entry = self.sequence_key(seq) | {
            "data": _known_data(seq),
            "image_size": _image_size(seq),
            "seed": seed,
            "fps": round(len(seq) / seconds, 3) if seconds > 0 else None,
            "peak_memory": max(output.get("peak_memory", ()), default=None),
            "rejected_updates": max(output.get("rejected_updates", ()), default=None),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "environment": describe_environment(self.device),
        }
        contents = (
            _lines("\t".join(f"{value:.4f}" for value in box) for box in output["target_bbox"]),
            _lines(f"{value:.6f}" for value in output["time"]),
            _lines(f"{value:.6f}" for value in output["object_presence_score"]),
            _lines(output["flag"]),
            json.dumps(entry, indent=1) + "\n",
        )
        return dict(zip(file_names(seq.name), contents, strict=True))

    def write(self, seq: Sequence, files: dict[str, str]) -> None:
        """Write the files of `render`, the boxes last; empty ones are removed, a result of other data is set aside.

        Raises InputError where the folder came to hold results of other parameters meanwhile, and UnwritableError;
        old files then stay.
        """
        if difference := self.difference():
            raise InputError(
                f"{self.folder} was replaced by another process while {seq} was running:\n{difference}\n"
                "  run again with another --runid, or when that process has ended"
            )
        try:
            self._check_names(seq)  # again: another process may have taken them meanwhile
            self._replace_files(seq, files)
        except OSError as error:
            raise self._unwritable(error) from error

    def _replace_files(self, seq: Sequence, texts: dict[str, str]) -> None:
        last = result_file(self.folder, seq.name)
        temporaries = {self.folder / name: temporary_beside(self.folder / name) for name, text in texts.items() if text}
        try:
            for path, temporary in temporaries.items():
                _write_synced(temporary, texts[path.name])
            self._make_room(seq, json.loads(texts[info_name(seq.name)]))
            last.unlink(missing_ok=True)
            for name in texts.keys() - {path.name for path in temporaries}:
                (self.folder / name).unlink(missing_ok=True)
            for path in sorted(temporaries, key=last.__eq__):
                os.replace(temporaries[path], path)
        finally:
            for temporary in temporaries.values():
                with contextlib.suppress(OSError):  # the first error is the one to report
                    temporary.unlink(missing_ok=True)

    def _make_room(self, seq: Sequence, new: dict[str, Any]) -> None:
        """Set aside the result that is there, unless it is known to be of the same images."""
        old = read_record(self.folder / info_name(seq.name))
        if result_file(self.folder, seq.name).exists() and not (_images(old) and _images(old) == _images(new)):
            set_aside(self.folder, file_names(seq.name))

    def _remove_temporaries(self, *paths: Path) -> None:
        """Remove what processes that were killed left of these files; call it with their claim."""
        names = "|".join(rf"{re.escape(path.stem)}\.[0-9a-f]+\.tmp{re.escape(path.suffix)}" for path in paths)
        pattern = re.compile(rf"\.({names})")
        for name in os.listdir(self.folder):
            if pattern.fullmatch(name):
                (self.folder / name).unlink(missing_ok=True)

    def _check_names(self, seq: Sequence) -> None:
        TakenNames.of_folder(self.folder, os.listdir(self.folder)).check(seq.name)

    def _claim_file(self, sequence: str) -> Path:
        return self.folder / f".{sequence}.claim"

    def sequence_key(self, seq: Sequence) -> dict[str, Any]:
        """What must agree for a stored result to be the result of this sequence."""
        box = [round(value, 4) for value in seq.init_bbox()]
        return {"hash": self.hash, "dataset": seq.dataset, "frames": len(seq), "init_bbox": box}

    def conflict(self) -> str:
        """`difference`, where results were made, or are being made, in the other way; a failed start counts nothing."""
        difference = self.difference()
        return difference if difference and not self._is_blank() else ""

    def _is_blank(self) -> bool:
        if not read_record(self.folder / "run.json"):
            return False  # nobody knows what was there
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".claim"]
        return files == [self.folder / "run.json"] and not self._held_claims()

    def _held_claims(self) -> list[str]:
        return [path.name for path in self.folder.glob(".*.claim") if is_held(path)]

    def difference(self) -> str:
        """In which way `run.json` is that of another run than this; empty where it is of this one."""
        path = self.folder / "run.json"
        if not path.exists():
            foreign = sorted(self.folder.glob("*.txt")) if self.folder.is_dir() else []
            return f"  {foreign[0].name} and no run.json that says how it was made" if foreign else ""
        stored = read_record(path)
        if stored.get("hash") == self.record["hash"]:
            return ""
        parameters = with_defaults(stored.get("parameters"), self.record["parameters"], self._defaults)
        known = stored | {"parameters": parameters}
        # Overrides are part of the parameters.
        if lines := differences(known, self.record, ignored=("hash", "environment", "overrides")):
            return lines
        return "  the hash alone" if known == stored else ""

    def _agreed_hash(self) -> str:
        """That of `run.json` where it is of this run, which has parameters that did not exist then; else the own."""
        stored = read_record(self.folder / "run.json").get("hash")
        own: str = self.record["hash"]
        return own if stored in (None, own) or self.difference() else str(stored)

    def _set_aside(self) -> Path:
        if held := self._held_claims():
            raise InputError(
                f"another process is writing results with other parameters to {self.folder} ({held[0]}); "
                "wait for it, stop it, or give another --runid"
            )
        base = f"{self.folder.name}.replaced-{read_record(self.folder / 'run.json').get('hash', 'unknown')}"
        names = (base, *(f"{base}-{number}" for number in range(2, 1000)))
        target = next(self.folder.with_name(name) for name in names if not self.folder.with_name(name).exists())
        self.folder.rename(target)
        return target

    def _unwritable(self, error: OSError) -> UnwritableError:
        return UnwritableError(
            f"cannot write results to {self.folder}: {error.strerror or error}\n"
            f"  free space or rights there, or choose another folder: --results_path, PYTRACKING_RESULTS_PATH, or "
            f"results_path in {config_file()}"
        )


def describe_run(tracker: TrackerSetup) -> dict[str, Any]:
    """What determines a tracker's results, as JSON data with a hash.

    Raises InputError for an unknown tracker, parameter file or device, and for a missing network file.
    """
    params = tracker.tracker_class().params_class.from_tracker_params(tracker.get_parameters())
    check_device(params.device)
    hashes = [value.file_hash() for value in vars(params).values() if hasattr(value, "file_hash")]
    network_sha256 = hashes if len(hashes) > 1 else next(iter(hashes), None)
    key = [FORMAT, tracker.name, params.hash(), tracker.seed, network_sha256]
    overrides = {"overrides": tracker.overrides} if tracker.overrides else {}
    return {
        "format": FORMAT,
        "hash": hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16],
        "tracker": tracker.name,
        "parameter_name": tracker.parameter_name,
        **overrides,
        "run_id": tracker.run_id,
        "seed": tracker.seed,
        "network_sha256": network_sha256,
        "parameters": {name: value for name, value in params.to_dict().items() if name not in ("debug", "device")},
    }


def _probe(seq: Sequence) -> str:
    return f"{seq.name}_probe"


def _known_data(seq: Sequence) -> dict[str, str] | None:
    """`describe_data`; None where the images went away while they were tracked, which is no reason to lose a result."""
    try:
        return describe_data(seq)
    except InputError:
        return None


def _images(info: dict[str, Any]) -> str | None:
    """Fingerprint of the images of a result, where its record has one."""
    data = info.get("data")
    return data.get("images") if isinstance(data, dict) else None


def _image_size(seq: Sequence) -> list[int] | None:
    """[width, height] of the first frame; None where it cannot be read."""
    try:
        return list(image_size(seq.frames[0]))
    except (OSError, InputError):
        return None


def _write_synced(path: Path, text: str) -> None:
    """Write a text that is on the disk before the file gets its final name."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in rows)
