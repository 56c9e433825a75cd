"""Jobs in this process, one after the other."""

from __future__ import annotations

import time
from functools import partial

from pytracking.evaluation.engines.dispatcher import Dispatcher
from pytracking.evaluation.jobs import Batch, Outcome, run_batch, run_job
from pytracking.evaluation.tracker import OnFrame


class SerialEngine:
    """No workers: what a tracker does to its process, it does to the run."""

    def __init__(self, raises: bool = False) -> None:
        """`raises`: an error of a tracker ends the run and is raised, as debuggers want it."""
        self._run = _run_raising if raises else run_batch

    def describe(self) -> str:
        """Nothing that matters."""
        return ""

    def run(self, dispatcher: Dispatcher) -> None:
        """Run all jobs."""
        while dispatcher.num_waiting:
            attempt = dispatcher.take()
            if attempt is None:
                time.sleep(dispatcher.pause())
            else:
                dispatcher.finish(attempt, self._run(attempt.jobs, partial(dispatcher.frame, attempt)))


def _run_raising(jobs: Batch, on_frame: OnFrame | None = None) -> list[Outcome]:
    return [run_job(job, on_frame) for job in jobs]
