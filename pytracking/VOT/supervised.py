"""VOT's supervised experiment: a tracker that lost its target is started again, five frames after the failure.

`supervise` runs one repetition on one sequence; what it runs is anything with `start` and `track`. `RealTime` puts a
clock between the two: frames go by while the tracker computes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ltr.common.types import Array
from ltr.dataset.regions import FAILED, INITIALIZED, SKIPPED, Regions
from pytracking.VOT.overlap import region_overlaps
from pytracking.VOT.protocols import Experiment
from pytracking.VOT.regions import initial_box


class Answer(NamedTuple):
    """What a tracker says about a frame."""

    box: list[float]  # x, y, w, h
    confidence: float | None  # presence score; None where the tracker has none
    seconds: float  # that it took


class Target(Protocol):
    """One target in one video, seen by one tracker; frames count from 0."""

    def start(self, frame: int, box: list[float]) -> Answer:
        """Begin at this frame with this box."""

    def track(self, frame: int) -> Answer:
        """Find the target in this frame."""


class RealTime:
    """A target whose frames arrive at a fixed rate, whether the tracker is ready or not.

    An answer counts for its own frame however late it is; frames that pass meanwhile get the same answer, in no time.
    The time that is left when the next frame arrives is carried on. After each start, `grace` late answers are
    forgiven. These are vot-toolkit's rules.
    """

    def __init__(self, target: Target, fps: float, grace: int = 0) -> None:
        self._target = target
        self._interval = 1 / fps
        self._grace = grace
        self._forgiven = 0
        self._busy = 0.0  # seconds that the tracker still computes when the next frame arrives
        self._held: Answer | None = None

    def start(self, frame: int, box: list[float]) -> Answer:
        """Begin at this frame with this box."""
        self._forgiven, self._busy = 0, 0.0
        return self._after(self._target.start(frame, box))

    def track(self, frame: int) -> Answer:
        """The tracker's answer to this frame, or its last one where it is still busy."""
        if self._held is not None and self._busy > self._interval:
            self._busy -= self._interval
            return self._held._replace(seconds=0.0)
        return self._after(self._target.track(frame))

    def _after(self, answer: Answer) -> Answer:
        self._busy, self._held = 0.0, None
        if answer.seconds > self._interval:
            if self._forgiven < self._grace:
                self._forgiven += 1
            else:
                self._busy, self._held = answer.seconds - self._interval, answer
        return answer


@dataclass
class Trajectory:
    """One repetition on one sequence, frame by frame."""

    rows: list[list[float]] = field(default_factory=list)  # a mark, or a box
    seconds: list[float | None] = field(default_factory=list)  # None where the tracker was not asked
    confidences: list[float | None] = field(default_factory=list)

    def add(self, row: Iterable[float], answer: Answer | None = None) -> None:
        """Append one frame."""
        self.rows.append([float(value) for value in row])
        self.seconds.append(answer.seconds if answer else None)
        self.confidences.append(answer.confidence if answer else None)

    def skip_to(self, frame: int) -> None:
        """Fill up with skipped frames until there are `frame` frames."""
        while len(self.rows) < frame:
            self.add([SKIPPED])


def supervise(
    target: Target,
    truth: Regions,  # N frames
    size: tuple[int, int],  # width, height of the images
    experiment: Experiment,
) -> Trajectory:
    """Run through a sequence with restarts; N rows.

    A frame whose overlap, drawn as vot-toolkit does, is at most `failure_overlap` is a failure; so is one without
    ground truth, which nothing overlaps. The tracker starts again `restart_after` frames later, or at the first frame
    from there on that has ground truth. Frames between count nowhere.
    """
    if experiment.fps is not None:
        target = RealTime(target, experiment.fps, experiment.grace)
    trajectory, frame = Trajectory(), _next_start(truth, 0)
    while frame < len(truth):
        trajectory.skip_to(frame)
        answer = target.start(frame, initial_box(truth.row(frame)))
        trajectory.add([INITIALIZED], answer)
        frame = _follow(target, truth, size, experiment, trajectory)
    trajectory.skip_to(len(truth))
    return trajectory


def _follow(
    target: Target,
    truth: Regions,
    size: tuple[int, int],
    experiment: Experiment,
    trajectory: Trajectory,
) -> int:
    """Track until a failure or the end; returns the frame of the next start."""
    for frame in range(len(trajectory.rows), len(truth)):
        answer = target.track(frame)
        overlap = _overlap(answer.box, truth.at(slice(frame, frame + 1)), size)
        failed = overlap <= experiment.failure_overlap
        trajectory.add([FAILED] if failed else answer.box, answer)
        if failed:
            return _next_start(truth, frame + experiment.restart_after)
    return len(truth)


def _overlap(box: list[float], truth: Regions, size: tuple[int, int]) -> float:
    return float(region_overlaps(Regions.from_rows([box]), truth, size, "toolkit")[0])


def _next_start(truth: Regions, frame: int) -> int:
    """First frame from `frame` on that has ground truth; the number of frames where none has."""
    has_truth: Array = truth.is_region[frame:]
    return frame + int(has_truth.argmax()) if has_truth.any() else len(truth)
