"""One sequence with one tracker: how a process runs it, saves it, and tells what became of it."""

from __future__ import annotations

import contextlib
import copy
import pickle
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ltr.common.claims import ClaimedError
from ltr.common.device_errors import device_error, is_out_of_memory
from ltr.common.errors import InputError
from ltr.common.interruption import completing
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.frame_loop import OnFrame, Output
from pytracking.evaluation.results import ResultStore
from pytracking.evaluation.tracker import Tracker
from pytracking.evaluation.tracker_setup import SetupError
from pytracking.scoring.metrics import score_boxes
from pytracking.scoring.truth import read_truth


@dataclass(frozen=True)
class Outcome:
    """What became of one sequence with one tracker."""

    tracker: str  # display name
    sequence: str
    status: Literal["done", "skipped", "failed", "stopped", "claimed"]  # claimed: another process is at it
    frames: int = 0
    seconds: float = 0.0  # in the tracker
    message: str = ""  # of a failure
    traceback: str = ""  # of a failure that is not the input's fault
    auc: float | None = None  # where ground truth is known
    rejected_updates: int = 0  # of online learning, which were undone
    out_of_memory: bool = False
    no_start: bool = False  # the tracker cannot start, whatever the sequence
    device_failure: str = ""  # what the GPU failed with, which is not the job's fault: another process is to run it

    @property
    def ends_process(self) -> bool:
        """Whether the process that ran it had better be replaced."""
        return self.out_of_memory or bool(self.device_failure)

    @property
    def fps(self) -> float:
        """Frames per second of tracker time."""
        return self.frames / self.seconds if self.seconds > 0 else float("nan")

    def describe(self) -> str:
        """One line for the terminal."""
        if self.status == "done":
            score = "" if self.auc is None else f", AUC {self.auc:.3f}"
            undone = f", {self.rejected_updates} updates undone" if self.rejected_updates else ""
            text = f"{self.frames} frames, {self.fps:.1f} fps{score}{undone}"
        elif self.status == "skipped":
            text = "skipped: results exist (use --overwrite)"
        elif self.status == "claimed":
            text = f"left for later: {self.message} is at it"
        else:
            text = "stopped" if self.status == "stopped" else f"FAILED: {self.message.splitlines()[0]}"
        return f"{self.tracker} {self.sequence}: {text}"


@dataclass(frozen=True, eq=False)
class Job:
    """One sequence with one tracker; travels to worker processes."""

    sequence: Sequence
    tracker: Tracker
    store: ResultStore | None  # None: results are not saved
    overwrite: bool = False
    debug: int = 0
    visdom_info: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """Tracker and sequence, as people read them."""
        return f"{self.tracker.display_name} {self.sequence.name}"

    def outcome(self, status: Literal["done", "skipped", "failed", "stopped", "claimed"], **details: Any) -> Outcome:
        """Outcome of this job."""
        return Outcome(self.tracker.display_name, self.sequence.name, status, **details)

    def without_cache(self) -> Job:
        """The same job without the lists that its sequence can read again: to be sent to another process."""
        sequence = copy.copy(self.sequence)
        for name in list(vars(sequence)):
            if isinstance(getattr(type(sequence), name, None), cached_property):
                del vars(sequence)[name]
        return replace(self, sequence=sequence)


@dataclass(frozen=True)
class Finished:
    """A tracked sequence whose result is not saved yet."""

    outcome: Outcome
    files: dict[str, str]  # texts by file name, as `ResultStore.write` takes them


class Stopped(Exception):  # noqa: N818 - a signal, no error
    """The run was interrupted while this process was tracking."""


@contextlib.contextmanager
def held(job: Job) -> Iterator[Outcome | None]:
    """Hold the claim on the result of a job: gives its outcome where it need not be run, None where it is to be run.

    Raises ClaimedError where another process holds it, and InputError where the result cannot be saved or reused.
    """
    assert job.store is not None
    with job.store.claim(job.sequence):
        if not job.overwrite and job.store.is_complete(job.sequence):
            yield job.outcome("skipped")
        else:
            job.store.check_writable(job.sequence)
            yield None


def run_job(job: Job, on_frame: OnFrame | None = None) -> Outcome:
    """Run one job and save its result, unless it exists. Raises what the tracker raises.

    A job that another process holds is not run ("claimed").
    """
    if job.store is None:
        return _done(job, job.tracker.run_sequence(job.sequence, job.debug, job.visdom_info, on_frame))
    try:
        with held(job) as known:
            if known is not None:
                return known
            finished = track(job, on_frame)
            with completing():
                job.store.write(job.sequence, finished.files)
            return finished.outcome
    except ClaimedError as holder:
        return job.outcome("claimed", message=str(holder))


def track(job: Job, on_frame: OnFrame | None = None) -> Finished:
    """Run one job whose result somebody else saves."""
    assert job.store is not None
    return _finished(job, job.tracker.run_sequence(job.sequence, on_frame=on_frame))


def track_guarded(job: Job, on_frame: OnFrame | None = None) -> Finished | Outcome:
    """`track`; an error becomes a failed outcome."""
    try:
        return track(job, on_frame)
    except (Exception, Stopped) as error:
        return failure(job, error)


def saved(job: Job, end: Finished | Outcome) -> Outcome:
    """The outcome of a job, once its result, if there is one, is saved."""
    if isinstance(end, Outcome):
        return end
    assert job.store is not None
    try:
        with completing():
            job.store.write(job.sequence, end.files)
    except InputError as error:
        return failure(job, error)
    return end.outcome


def failure(job: Job, error: BaseException) -> Outcome:
    """Outcome of a job that raised `error`."""
    if isinstance(error, Stopped):
        return job.outcome("stopped")
    if isinstance(error, ClaimedError):
        return job.outcome("claimed", message=str(error))
    if isinstance(error, InputError) and device_error(error) is None:
        return job.outcome("failed", message=str(error), no_start=isinstance(error, SetupError))
    return job.outcome("failed", **_unforeseen(error))


def _unforeseen(error: BaseException) -> dict[str, Any]:
    broken = device_error(error)
    return {
        "message": f"{type(error).__name__}: {error}",
        "traceback": "".join(traceback.format_exception(error)),
        "out_of_memory": broken is None and is_out_of_memory(error),
        "device_failure": broken.found if broken else "",
    }


def run_guarded(job: Job, on_frame: OnFrame | None = None) -> Outcome:
    """Run one job; an error becomes a failed outcome."""
    try:
        return run_job(job, on_frame)
    except (Exception, Stopped) as error:
        return failure(job, error)


def pack(job: Job) -> bytes:
    """A job for another process. Raises whatever a tracker or sequence raises that cannot be pickled."""
    return pickle.dumps(job.without_cache())


def run_packed(content: bytes, on_frame: OnFrame | None = None) -> Outcome:
    """Run a packed job as `run_guarded` does. Where it cannot be unpacked, the outcome has no names."""
    job = _unpack(content)
    return job if isinstance(job, Outcome) else run_guarded(job, on_frame)


def track_packed(content: bytes) -> Finished | Outcome:
    """Run a packed job as `track_guarded` does. Where it cannot be unpacked, the outcome has no names."""
    job = _unpack(content)
    return job if isinstance(job, Outcome) else track_guarded(job)


def _unpack(content: bytes) -> Job | Outcome:
    try:
        job: Job = pickle.loads(content)
    except Exception as error:  # whatever unpickling runs into: a module that is only in the other process, say
        return Outcome("", "", "failed", **_unforeseen(error))
    return job


def named(job: Job, outcome: Outcome) -> Outcome:
    """An outcome of another process, with the names that it may not have known."""
    return replace(outcome, tracker=job.tracker.display_name, sequence=job.sequence.name)


def _finished(job: Job, output: Output) -> Finished:
    assert job.store is not None
    seed = job.tracker.sequence_seed(job.sequence.name)
    return Finished(_done(job, output), job.store.render(job.sequence, output, seed))


def _done(job: Job, output: Output) -> Outcome:
    auc = _auc(job.sequence, output)
    frames, rejected = len(output["time"]), max(output.get("rejected_updates", ()), default=0)
    return job.outcome("done", frames=frames, seconds=sum(output["time"]), auc=auc, rejected_updates=rejected)


def _auc(sequence: Sequence, output: Output) -> float | None:
    """Area under the success curve by the benchmark's rules; None where the ground truth does not allow it."""
    try:
        truth = read_truth(sequence, "official")
        boxes = np.asarray(output["target_bbox"], dtype=np.float64)
        curves = score_boxes(
            boxes, truth.boxes, truth.rules, truth.visible, truth.image_size, pixel_origin=truth.pixel_origin
        )
    except Exception:  # a number on the screen is not worth a result: whoever needs the score is told then
        return None
    return float(curves.success.mean())
