"""Jobs in this process, one after the other."""

from __future__ import annotations

import time
from functools import partial

from ltr.common.device_errors import DeviceError
from pytracking.evaluation.engines.base import Engine
from pytracking.evaluation.engines.dispatcher import Dispatcher
from pytracking.evaluation.jobs import run_guarded, run_job


class SerialEngine(Engine):
    """No workers: what a tracker does to its process, it does to the run."""

    def __init__(self, raises: bool = False) -> None:
        """`raises`: an error of a tracker ends the run and is raised, as debuggers want it."""
        self._run = run_job if raises else run_guarded

    def run(self, dispatcher: Dispatcher) -> None:
        """Run all jobs. Raises DeviceError where the GPU fails, since this process cannot use it any more."""
        while dispatcher.num_waiting:
            attempt = dispatcher.take()
            if attempt is None:
                time.sleep(dispatcher.pause())
            else:
                outcome = self._run(attempt.job, partial(dispatcher.frame, attempt))
                if outcome.device_failure:
                    raise DeviceError(outcome.device_failure)
                dispatcher.finish(attempt, outcome)
