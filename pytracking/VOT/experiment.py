"""VOT's reset-based experiment without the VOT toolkit, with results in the toolkit's own form.

`<folder>/<tracker>/<experiment>/<sequence>/` holds for each repetition
- `<sequence>_001.txt`: a row for each frame, `1` started, `2` failed, `0` skipped, else `x,y,w,h`; written last;
- `<sequence>_001_time.value` and `<sequence>_001_confidence.value`: seconds and presence score, empty where skipped;
and for all of them `<sequence>_info.json`, which says what the images and the annotation were;
and `<folder>/<tracker>/<experiment>/run.json` says what they were made with. `<folder>` may be the folder `results` of
a workspace of vot-toolkit, which then analyzes them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ltr.common.claims import ClaimedError, claim
from ltr.common.device_errors import device_error
from ltr.common.errors import InputError
from ltr.common.files import differences, read_record, write_atomic
from ltr.common.fingerprints import LENGTH, files_fingerprint
from ltr.common.image import read_image
from ltr.common.interruption import completing
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.frame_loop import clock
from pytracking.evaluation.result_identity import image_folder
from pytracking.evaluation.result_names import folded, set_aside
from pytracking.evaluation.results import ResultStore
from pytracking.evaluation.tracker import Tracker
from pytracking.evaluation.tracker_setup import SetupError, load_features
from pytracking.utils.seeding import seed_everything, sequence_seed
from pytracking.VOT.protocols import Experiment, Protocol
from pytracking.VOT.regions import format_row, read_regions
from pytracking.VOT.sequences import vot_sequence
from pytracking.VOT.supervised import Answer, Trajectory, supervise

if TYPE_CHECKING:
    from pytracking.tracker.base import BaseTracker

EQUAL_REPETITIONS = 3  # after so many equal ones the tracker counts as deterministic, as in vot-toolkit


class TrackerTarget:
    """A tracker on the frames of a sequence. Seconds include reading the image, as the toolkit's do."""

    def __init__(self, tracker: BaseTracker, frames: list[Path]) -> None:
        self._tracker = tracker
        self._frames = frames
        self._previous: dict[str, Any] = {}

    def start(self, frame: int, box: list[float]) -> Answer:
        """Begin at this frame with this box."""
        begin = clock(self._tracker)
        result = self._tracker.initialize(read_image(self._frames[frame]), {"init_bbox": box})
        seconds = clock(self._tracker) - begin
        return self._answer({"target_bbox": box, "object_presence_score": 1.0} | (result or {}), seconds)

    def track(self, frame: int) -> Answer:
        """Find the target in this frame."""
        begin = clock(self._tracker)
        result = self._tracker.track(read_image(self._frames[frame]), {"previous_output": self._previous})
        return self._answer(result, clock(self._tracker) - begin)

    def _answer(self, result: dict[str, Any], seconds: float) -> Answer:
        self._previous = result
        box, score = [float(value) for value in result["target_bbox"]], result.get("object_presence_score")
        if len(box) != 4 or not np.isfinite(box).all():
            raise RuntimeError(f"expected a box of four finite numbers from the tracker, found {box}")
        return Answer(box, None if score is None else float(score), seconds)


@dataclass
class Summary:
    """What an experiment did."""

    done: int = 0  # repetitions
    kept: int = 0  # repetitions that were there already
    busy: list[str] = field(default_factory=list)  # sequences that another process works at
    failed: dict[str, str] = field(default_factory=dict)  # traceback by sequence

    def describe(self) -> str:
        """One line, and the failures."""
        busy = f", {len(self.busy)} sequences left to another process" if self.busy else ""
        lines = [f"{self.done} repetitions done, {self.kept} were there, {len(self.failed)} sequences failed{busy}"]
        return "\n".join([*lines, *(f"failed: {name}\n{text}" for name, text in self.failed.items())])


def tracker_id(tracker: Tracker) -> str:
    """Name of a tracker that vot-toolkit accepts: letters, digits, `-` and `_`."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", tracker.display_name)


def repetition_file(folder: Path, sequence: str, repetition: int) -> Path:
    """File of one repetition, which count from 1; `folder` is that of the tracker's experiment."""
    return folder / sequence / f"{sequence}_{repetition:03d}.txt"


def run_vot_experiment(
    tracker: Tracker,
    sequences: Iterable[Sequence],
    protocol: Protocol,
    experiment_name: str = "baseline",
    folder: Path | None = None,  # of the results; None: <results_path>/vot/<protocol>
    repetitions: int | None = None,  # None: what the protocol says
    overwrite: bool = False,
) -> Summary:
    """Run a tracker on sequences, as often as the protocol says; what is there already is kept.

    The seed of a repetition depends on tracker, parameters, repetition and sequence alone.
    A sequence whose results were made on other images or with another annotation fails; a repetition that is cut off is
    run again. Raises InputError for results of other parameters or another protocol, and for two sequences of one name,
    DeviceError where the GPU fails, and SetupError for a tracker that cannot start. With `overwrite` what is in the way
    is set aside.
    """
    sequences = list(sequences)
    _check_names([sequence.native_name for sequence in sequences])
    experiment = protocol.experiment(experiment_name)
    if repetitions is not None:
        experiment = dataclasses.replace(experiment, repetitions=repetitions)
    store = _open_store(tracker, experiment, folder or default_folder(tracker, protocol), overwrite)
    summary = Summary()
    for sequence in sequences:
        try:
            with claim(store.folder / f".{sequence.native_name}.claim"):
                _check_data(store, sequence, overwrite)
                _run_sequence(tracker, sequence, experiment, store, summary)
        except ClaimedError:
            summary.busy.append(sequence.native_name)
        except Exception as error:
            if broken := device_error(error):
                raise broken from error
            if isinstance(error, SetupError):
                raise
            is_input = isinstance(error, InputError)
            summary.failed[sequence.native_name] = str(error) if is_input else traceback.format_exc()
    return summary


def default_folder(tracker: Tracker, protocol: Protocol) -> Path:
    """Where results go: `<results_path>/vot/<protocol>`."""
    from ltr.common.environment import env_settings

    return (tracker.results_path or env_settings().results_path) / "vot" / protocol.name


def _open_store(tracker: Tracker, experiment: Experiment, folder: Path, overwrite: bool) -> ResultStore:
    """The tracker's folder for this experiment, with the record of what the results are made with."""
    store = ResultStore(tracker)
    rules = dataclasses.asdict(experiment)
    del rules["repetitions"]  # more of them are added to those that are there
    key = json.dumps([store.record["hash"], rules])
    store.record = store.record | {
        "experiment": rules,
        "hash": hashlib.sha256(key.encode()).hexdigest()[:16],
    }
    store.folder = folder / tracker_id(tracker) / experiment.name
    if not overwrite and (difference := store.conflict()):
        raise InputError(
            f"{store.folder} holds results made with other parameters:\n{difference}\n"
            "  give the tracker another name (name=tracker:parameters) or another --output, or --overwrite"
        )
    if set_aside := store.open(overwrite):
        print(f"results of other parameters were set aside: {set_aside}", file=sys.stderr)
    return store


def _check_names(names: Iterable[str]) -> None:
    known: dict[str, str] = {}
    for name in names:
        if other := known.get(folded(name)):
            raise InputError(
                f"sequences '{other}' and '{name}' would share a folder, on a disk that ignores case at least; "
                "run them apart, each with its own --output"
            )
        known[folded(name)] = name


def _check_data(store: ResultStore, sequence: Sequence, overwrite: bool) -> None:
    """Make the folder of a sequence. Raises InputError where its results are of other data and are to stay."""
    sequence.check()
    place = store.folder / sequence.native_name
    record, wanted = place / f"{sequence.native_name}_info.json", _describe(store, sequence)
    stored, is_empty = read_record(record), not any(place.glob("*.txt"))
    if stored and not is_empty and differences(stored, wanted, ignored=("folder",)):
        if not overwrite:
            raise InputError(
                f"{place} holds results that were made on other data:\n{differences(stored, wanted)}\n"
                "  to keep both, give another --output or --results_path; --overwrite sets the old ones aside"
            )
        aside = set_aside(store.folder, [sequence.native_name])
        print(f"results of {sequence} on other data were set aside: {aside}", file=sys.stderr)
        is_empty = True
    if is_empty:
        place.mkdir(exist_ok=True)
        write_atomic(record, json.dumps(wanted, indent=1) + "\n")
    elif not stored:
        print(f"{place}: made by an earlier version; whether on these images is not known", file=sys.stderr)


def _describe(store: ResultStore, sequence: Sequence) -> dict[str, Any]:
    """What the repetitions of a sequence are made from, as JSON data; unlike in one pass, all of the truth counts."""
    truth = vot_sequence(sequence).truth
    rows = "\n".join(format_row(truth.row(frame)) for frame in range(len(truth)))
    return {
        "hash": store.hash,
        "frames": len(sequence),
        "folder": image_folder(sequence),
        "images": files_fingerprint(sequence.frames),
        "annotation": hashlib.sha256(rows.encode()).hexdigest()[:LENGTH],
    }


def _run_sequence(
    tracker: Tracker, sequence: Sequence, experiment: Experiment, store: ResultStore, summary: Summary
) -> None:
    folder = store.folder
    prepared = vot_sequence(sequence)
    running: BaseTracker | None = None
    for repetition in range(1, experiment.repetitions + 1):
        if _is_deterministic(folder, prepared.name, repetition - 1):
            break
        path = repetition_file(folder, prepared.name, repetition)
        if path.exists() and _is_whole(path, len(sequence)):
            summary.kept += 1
            continue
        if running is None:
            running = tracker.create_tracker(tracker.get_parameters())
            load_features(running)
        seed = sequence_seed(tracker.seed, tracker.name, tracker.parameter_name, repetition, prepared.name)
        seed_everything(seed)
        running.seed(seed)
        target = TrackerTarget(running, sequence.frames)
        trajectory = supervise(target, prepared.truth, prepared.size, experiment)
        if difference := store.difference():
            raise InputError(
                f"{folder} was replaced by another process meanwhile:\n{difference}\n  run this again then"
            )
        with completing():
            _write(path, trajectory)
        summary.done += 1
        failures = sum(row == [2.0] for row in trajectory.rows)
        print(f"{tracker.display_name} {experiment.name} {path.stem}: {failures} failures", file=sys.stderr)


def _is_whole(path: Path, frames: int) -> bool:
    """Whether a repetition has a readable row for each frame; of one that has not it is said."""
    try:
        rows = len(read_regions(path))
        wrong = "" if rows == frames else f"{path} has {rows} rows for {frames} frames"
        if not path.read_bytes().endswith(b"\n"):
            wrong = f"{path} is cut off"
    except InputError as error:
        wrong = str(error)
    if wrong:
        print(f"run again: {wrong}", file=sys.stderr)
    return not wrong


def _is_deterministic(folder: Path, sequence: str, repetitions: int) -> bool:
    """Whether the first repetitions are there and all the same."""
    if repetitions < EQUAL_REPETITIONS:
        return False
    paths = [repetition_file(folder, sequence, number) for number in range(1, repetitions + 1)]
    return all(path.exists() for path in paths) and len({path.read_bytes() for path in paths}) == 1


def _write(path: Path, trajectory: Trajectory) -> None:
    for name, values in (("time", trajectory.seconds), ("confidence", trajectory.confidences)):
        lines = ("" if value is None else f"{value:.6f}" for value in values)
        write_atomic(path.with_name(f"{path.stem}_{name}.value"), "".join(f"{line}\n" for line in lines))
    write_atomic(path, "".join(f"{format_row(row)}\n" for row in trajectory.rows))
