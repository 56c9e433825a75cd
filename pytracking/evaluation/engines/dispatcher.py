"""What all engines share: which jobs are next, what a lost worker means, when a run is over."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ltr.common.device_errors import DeviceError
from pytracking.evaluation.jobs import Job, Outcome
from pytracking.evaluation.tracker import Tracker

MAX_LOSSES = 2  # workers that a job may take with it
MAX_VICTIMS = 3  # sequences in a row that a GPU may fail with
CLAIM_PAUSE = 2.0  # seconds until a job that another process holds is looked at again


class Listener(Protocol):
    """Is told what happens, in the process that started the run."""

    def start(self, job: Job) -> None: ...
    def frame(self, job: Job, finished: int, total: int) -> None: ...
    def notice(self, text: str) -> None: ...
    def finish(self, job: Job, outcome: Outcome) -> None: ...


@dataclass(eq=False)
class Attempt:
    """A job on its way, with the workers that died of it."""

    job: Job
    losses: int = 0
    was_claimed: bool = False


class GpuWatch:
    """Tells a GPU that fails with whatever it gets from a sequence that makes it fail."""

    def __init__(self) -> None:
        self._victims: set[str] = set()  # sequences since it last finished one
        self._failure = ""  # the last one

    def see(self, outcome: Outcome) -> None:
        """What became of a job in a worker that used it."""
        if outcome.device_failure:
            self._victims.add(outcome.sequence)
            self._failure = outcome.device_failure
        elif outcome.status == "done":
            self._victims.clear()

    @property
    def is_bad(self) -> bool:
        """Whether it is to be used no more."""
        return len(self._victims) >= MAX_VICTIMS

    def error(self) -> DeviceError:
        """What ends a run that has no other GPU."""
        advice = "once the machine is in order (nvidia-smi)"
        return DeviceError(f"{self._failure} in one worker after the other", advice)


class Dispatcher:
    """Hands out jobs, each run by one worker, and collects their outcomes.

    A job whose worker dies, or loses its GPU, is handed out again, and fails when it has taken `MAX_LOSSES` workers
    with it. A job that another process holds is put back until that process is through. Of a tracker that cannot start
    nothing more is handed out; the others go on, and `faults` says what is wrong.
    """

    def __init__(self, jobs: Iterable[Job], listener: Listener, fail_fast: bool = False) -> None:
        self._waiting = deque(Attempt(job) for job in jobs)
        self._claimed: deque[tuple[float, Attempt]] = deque()  # (time of the next look, ...)
        self._listener = listener
        self._fail_fast = fail_fast
        self.faults: list[str] = []  # of trackers that cannot start
        self.is_stopping = False  # nothing more is handed out, and what runs is to be stopped

    @property
    def num_waiting(self) -> int:
        """Jobs that will be handed out, some of them later."""
        return 0 if self.is_stopping else len(self._waiting) + len(self._claimed)

    def take(self) -> Attempt | None:
        """The next job; None where none may be run at this moment."""
        if self.is_stopping:
            return None
        attempt = None
        if self._waiting:
            attempt = self._waiting.popleft()
        elif self._claimed and self._claimed[0][0] <= time.monotonic():
            attempt = self._claimed.popleft()[1]
        if attempt is not None:
            self._listener.start(attempt.job)
        return attempt

    def pause(self) -> float:
        """Seconds until `take` can give something, where jobs are waiting."""
        if self._waiting or not self._claimed:
            return 0.0
        return max(0.0, self._claimed[0][0] - time.monotonic())

    def frame(self, attempt: Attempt, finished: int, total: int) -> None:
        """A frame is finished."""
        self._listener.frame(attempt.job, finished, total)

    def notice(self, text: str) -> None:
        """Something that people should know."""
        self._listener.notice(text)

    def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        """A worker returned."""
        if outcome.status == "stopped":
            return
        if outcome.status == "claimed":
            if not attempt.was_claimed:
                self._listener.notice(outcome.describe())
            attempt.was_claimed = True
            self._claimed.append((time.monotonic() + CLAIM_PAUSE, attempt))
            return
        if outcome.no_start:
            self._drop(attempt.job.tracker, outcome.message)
            return
        if outcome.device_failure:
            self.lose(attempt, f"lost its GPU ({outcome.device_failure})", outcome.traceback)
            return
        self._listener.finish(attempt.job, outcome)
        if outcome.status == "failed" and self._fail_fast:
            self.is_stopping = True

    def _drop(self, tracker: Tracker, fault: str) -> None:
        """Hand out no more jobs of a tracker, whatever its run."""
        which = (tracker.name, tracker.variant)
        for attempt in [a for a in self._waiting if (a.job.tracker.name, a.job.tracker.variant) == which]:
            self._waiting.remove(attempt)
        if self._fail_fast:
            self.is_stopping = True
        if fault not in self.faults:
            self.faults.append(fault)
            if self.num_waiting:
                self._listener.notice(f"{fault}\n  the other trackers go on")

    def lose(self, attempt: Attempt, how: str, traceback: str = "") -> None:
        """A worker died or cannot go on; `how` says of what, `traceback` where."""
        attempt.losses += 1
        if attempt.losses < MAX_LOSSES:
            self._listener.notice(f"{attempt.job.name}: its worker {how}; it is run again")
            self._waiting.append(attempt)
            return
        message = f"{attempt.losses} workers died of it; the last one {how}"
        self.finish(attempt, attempt.job.outcome("failed", message=message, traceback=traceback))
