"""What a run has to do: every job with its state and the reason, before anything is run or written."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ltr.common.errors import InputError
from pytracking.evaluation.data import PartialCopyWarning, Sequence
from pytracking.evaluation.jobs import Job
from pytracking.evaluation.result_identity import Describe, Found, described_once
from pytracking.evaluation.result_names import TakenNames, aside_folder, folded
from pytracking.evaluation.results import stores_of
from pytracking.evaluation.tracker import Tracker

State = Literal["done", "to do", "again", "refused"]
SHOWN_NAMES = 3  # jobs that a remark names
STATES: tuple[State, ...] = ("done", "to do", "again", "refused")


@dataclass(frozen=True)
class Part:
    """Trackers, each to be run on all of the sequences."""

    trackers: SequenceOf[Tracker]
    sequences: SequenceOf[Sequence]


@dataclass(frozen=True)
class PlannedJob:
    """One sequence with one tracker, and what there is of it."""

    job: Job
    state: State
    reason: str = ""  # of "again" and "refused"
    note: str = ""  # what is to be said of a result that is kept or gives way, the same for many


@dataclass
class Plan:
    """All jobs of a run, in the order in which they are handed out."""

    jobs: list[PlannedJob]
    fps: dict[str, float]  # recorded frames per second by "<tracker> <parameters>"
    _lengths: dict[int, int | None] = field(default_factory=dict)

    def with_state(self, *states: State) -> list[PlannedJob]:
        """Jobs in these states."""
        return [planned for planned in self.jobs if planned.state in states]

    def frames(self, job: Job) -> int | None:
        """Frames of a job; None where the sequence cannot be read."""
        key = id(job.sequence)
        if key not in self._lengths:
            self._lengths[key] = _length(job.sequence)
        return self._lengths[key]

    def remarks(self) -> list[str]:
        """What people should know of results that are kept, and of those that give way to new ones."""
        groups: dict[str, list[PlannedJob]] = {}
        for planned in self.jobs:
            if planned.note:
                groups.setdefault(planned.note, []).append(planned)
        lines = []
        for note, group in groups.items():
            names = ", ".join(planned.job.name for planned in group[:SHOWN_NAMES])
            more = f" and {len(group) - SHOWN_NAMES} more" if len(group) > SHOWN_NAMES else ""
            lines.append(f"{len(group)} of {len(self.jobs)} results {note}: {names}{more}")
        return lines

    def seconds(self, jobs: Iterable[PlannedJob]) -> float | None:
        """Seconds in the trackers by the recorded speed; None where nothing is recorded of some tracker."""
        total = 0.0
        for planned in jobs:
            speed, frames = self.fps.get(variant_name(planned.job.tracker)), self.frames(planned.job)
            if speed is None:
                return None
            total += (frames or 0) / speed
        return total


def variant_name(tracker: Tracker) -> str:
    """Tracker and parameters without the run."""
    return f"{tracker.name} {tracker.variant}"


def make_plan(parts: SequenceOf[Part], overwrite: bool = False) -> Plan:
    """Look at what is there. Raises InputError for unknown names and for sequences that would share result files.

    The order is by run, so that tables can be made of the first runs while the others are at work.
    """
    entries = [(tracker, sequence) for part in parts for sequence in part.sequences for tracker in part.trackers]
    _check_unique(parts)
    all_trackers = [tracker for part in parts for tracker in part.trackers]
    stores = {id(tracker): store for tracker, store in zip(all_trackers, stores_of(all_trackers), strict=True)}
    names = {key: _listing(store.folder) for key, store in stores.items()}
    taken = {key: TakenNames.of_folder(stores[key].folder, listed) for key, listed in names.items()}
    conflicts = {key: store.conflict() for key, store in stores.items()}
    describe = described_once()
    speeds: dict[str, list[tuple[int, float]]] = {}
    jobs = []
    for tracker, sequence in sorted(entries, key=lambda entry: -1 if entry[0].run_id is None else entry[0].run_id):
        store = stores[id(tracker)]
        if not conflicts[id(tracker)]:
            _check_taken(taken[id(tracker)], sequence.name, store.folder)
        is_there = f"{sequence.name}.txt" in names[id(tracker)]
        if is_there and (speed := _recorded(store.folder, sequence.name)):
            speeds.setdefault(variant_name(tracker), []).append(speed)
        job = Job(sequence, tracker, store, overwrite)
        jobs.append(_planned(job, is_there, conflicts[id(tracker)], describe))
    fps = {name: sum(n for n, _ in known) / sum(n / fps for n, fps in known) for name, known in speeds.items()}
    trackers = {variant_name(tracker): tracker for part in parts for tracker in part.trackers}
    for name in trackers.keys() - fps.keys():
        if known := _recorded_elsewhere(trackers[name]):
            fps[name] = sum(n for n, _ in known) / sum(n / fps for n, fps in known)
    return Plan(jobs, fps)


def _planned(job: Job, is_there: bool, conflict: str, describe: Describe) -> PlannedJob:
    assert job.store is not None
    if conflict:
        if job.overwrite:
            return PlannedJob(job, "again", f"results of other parameters are set aside:\n{conflict}")
        return PlannedJob(job, "refused", f"{job.store.folder} holds results made with other parameters:\n{conflict}")
    return _judged(job, describe) if is_there else PlannedJob(job, "to do")


def _judged(job: Job, describe: Describe) -> PlannedJob:
    """A job with a file in the place of its result."""
    assert job.store is not None
    try:
        found = job.store.find(job.sequence, describe)
    except InputError as error:
        found = Found("other", str(error))
    if found.state == "damaged":
        return PlannedJob(job, "again", found.text, note="are damaged and count as missing")
    if found.state == "other":
        aside = aside_folder(job.store.folder)
        note = f"are of other data, and will be set aside in {aside}"
        return PlannedJob(job, "again", found.text, note) if job.overwrite else PlannedJob(job, "refused", found.text)
    if job.overwrite:
        return PlannedJob(job, "again", "--overwrite")
    return PlannedJob(job, "done", note=found.text)


def _check_unique(parts: SequenceOf[Part]) -> None:
    for part in parts:
        _refuse_repeated("sequences", [sequence.name for sequence in part.sequences])
        _refuse_repeated("trackers", [str(tracker.results_dir) for tracker in part.trackers])
    folders: dict[str, list[str]] = {}  # sequences whose results go there
    for part in parts:
        for folder in dict.fromkeys(str(tracker.results_dir) for tracker in part.trackers):
            folders.setdefault(folder, []).extend(sequence.name for sequence in part.sequences)
    _refuse_repeated("trackers", [folded(folder) for folder in folders])
    for folder, sequences in folders.items():
        _refuse_repeated("parts", [str(Path(folder, name)) for name in sequences])
        names = TakenNames()
        for name in sequences:
            names.add(name)


def _refuse_repeated(what: str, names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(
            f"two {what} would write the same result files: {', '.join(repeated[:5])}; "
            "run them apart, each with its own --results_path or --runid"
        )


def _check_taken(taken: TakenNames, sequence: str, folder: Path) -> None:
    try:
        taken.check(sequence)
    except InputError as error:
        raise InputError(f"results in {folder} are in the way: {error}") from None


def _listing(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()


def _recorded(folder: Path, sequence: str) -> tuple[int, float] | None:
    """(frames, frames per second) of a stored result."""
    try:
        info = json.loads((folder / f"{sequence}_info.json").read_text(encoding="utf-8"))
        frames, fps = int(info["frames"]), float(info["fps"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (frames, fps) if frames > 0 and fps > 0 else None


def _recorded_elsewhere(tracker: Tracker, limit: int = 50) -> list[tuple[int, float]]:
    """Speeds of the same tracker and parameter file in other runs."""
    folder = tracker.results_dir
    paths = sorted(folder.parent.glob(f"{tracker.parameter_name}*/*_info.json"))[:limit]
    found = (_recorded(path.parent, path.name.removesuffix("_info.json")) for path in paths)
    return [speed for speed in found if speed]


def _length(sequence: Sequence) -> int | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PartialCopyWarning)
            return len(sequence)
    except InputError:
        return None
