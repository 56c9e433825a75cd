"""Running trackers over sequences, one after the other or in several processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Sequence as SequenceOf
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from pytracking.evaluation.data import Sequence, SequenceList
from pytracking.evaluation.progress import FPS_MEANING, Outcome, ProgressReport
from pytracking.evaluation.results import ResultStore, UnwritableError
from pytracking.evaluation.tracker import OnFrame, Tracker
from pytracking.utils.errors import InputError


@dataclass
class RunSummary:
    """What became of every sequence of a run."""

    total: int
    outcomes: list[Outcome] = field(default_factory=list)

    def with_status(self, status: str) -> list[Outcome]:
        """Outcomes that ended as "done", "skipped" or "failed"."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def exit_status(self) -> int:
        """0 where every sequence has a result, else 1."""
        return 0 if len(self.with_status("done")) + len(self.with_status("skipped")) == self.total else 1

    def describe(self) -> str:
        """Counts, then each failure; failures with the same text are told once."""
        done, skipped, failed = (len(self.with_status(status)) for status in ("done", "skipped", "failed"))
        lines = [f"{done} done, {skipped} skipped, {failed} failed, {self.total - done - skipped - failed} not run"]
        groups: dict[str, list[Outcome]] = {}
        for outcome in self.with_status("failed"):
            groups.setdefault(outcome.traceback or outcome.message, []).append(outcome)
        for text, outcomes in groups.items():
            names = ", ".join(f"{o.tracker} {o.sequence}" for o in outcomes[:5])
            separator = "\n" if "\n" in text else " "
            more = f" and {len(outcomes) - 5} more" if len(outcomes) > 5 else ""
            lines.append(f"failed: {names}{more}:{separator}{text}")
        return "\n".join(lines)


@dataclass(frozen=True)
class _Job:
    """One sequence with one tracker; travels to worker processes."""

    sequence: Sequence
    tracker: Tracker
    store: ResultStore | None  # None: results are not saved
    overwrite: bool
    debug: int = 0
    visdom_info: dict[str, Any] | None = None


class _Stopped(Exception):  # noqa: N818 - a signal, no error
    """The run was interrupted while this process was tracking."""


def run_sequence(
    seq: Sequence,
    tracker: Tracker,
    debug: int = 0,
    visdom_info: dict[str, Any] | None = None,
    *,
    overwrite: bool = False,
    on_frame: OnFrame | None = None,
) -> Outcome:
    """Run one sequence and save its result, unless it exists. Raises what the tracker raises.

    With `debug` > 0 an existing result is ignored and nothing is saved.
    """
    store = None if debug else ResultStore(tracker)
    if store is not None:
        store.open(overwrite)
    return _run(_Job(seq, tracker, store, overwrite, int(debug), visdom_info), on_frame)


def run_dataset(
    dataset: SequenceOf[Sequence],
    trackers: SequenceOf[Tracker],
    debug: int = 0,
    threads: int = 0,
    visdom_info: dict[str, Any] | None = None,
    *,
    overwrite: bool = False,
    console: Console | None = None,
) -> RunSummary:
    """Run every tracker on every sequence; what is finished is saved at once and not run again.

    `threads` > 0 is the number of worker processes, which share the CPU threads and, in turn, the GPUs; a script that
    uses it needs the `if __name__ == "__main__"` guard of multiprocessing. A failing sequence does not stop the
    others: see the summary. With `debug` > 0 failures are raised, existing results ignored, and nothing is saved.
    Raises InputError before anything is run where names are unknown or results of other parameters are present, and
    KeyboardInterrupt, with all finished sequences saved, when it is interrupted.
    """
    console = console or Console(stderr=True)
    sequences = SequenceList(dataset)
    _check_unique(sequences, trackers)
    stores = {tracker: None if debug else ResultStore(tracker) for tracker in trackers}
    for store in stores.values():
        if store is not None and (set_aside := store.open(overwrite)):
            _say(console, f"results of other parameters were set aside: {set_aside}")
    if debug:
        _say(console, "debug run: existing results are ignored, and nothing is saved")
    jobs = [_Job(s, t, stores[t], overwrite, int(debug), visdom_info) for s in sequences for t in trackers]
    summary = RunSummary(len(jobs))
    workers = 0 if debug else min(threads, len(jobs))
    try:
        with ProgressReport(len(jobs), console, with_frames=workers == 0 and not debug) as report:

            def finish(outcome: Outcome) -> None:
                summary.outcomes.append(outcome)
                report.finish(outcome)

            if workers > 0:
                _run_parallel(jobs, workers, finish)
            else:
                _run_serial(jobs, report, finish)
    except KeyboardInterrupt:
        _say(console, f"\ninterrupted: {summary.describe()}\nwhat is done is kept; the same command runs the rest")
        raise
    _say(console, summary.describe())
    if summary.with_status("done"):
        _say(console, FPS_MEANING + (f"; {workers} processes shared this machine" if workers > 1 else ""))
    return summary


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _check_unique(sequences: SequenceList, trackers: SequenceOf[Tracker]) -> None:
    for what, names in (("sequences", sequences.names), ("trackers", [str(t.results_dir) for t in trackers])):
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise InputError(f"two {what} would write the same result files: {', '.join(repeated[:5])}; run them apart")


def _run(job: _Job, on_frame: OnFrame | None) -> Outcome:
    """Run one job; raises what the tracker raises."""
    name, sequence, store = job.tracker.display_name, job.sequence, job.store
    if store is None:
        output = job.tracker.run_sequence(sequence, job.debug, job.visdom_info, on_frame)
        return Outcome(name, sequence.name, "done", len(output["time"]), sum(output["time"]))
    if not job.overwrite and store.is_complete(sequence):
        return Outcome(name, sequence.name, "skipped")
    store.check_writable()
    output = job.tracker.run_sequence(sequence, on_frame=on_frame)
    store.save(sequence, output, job.tracker.sequence_seed(sequence.name))
    return Outcome(name, sequence.name, "done", len(output["time"]), sum(output["time"]))


def _run_guarded(job: _Job, on_frame: OnFrame | None) -> Outcome:
    """Run one job; an error becomes a failed outcome."""
    name, sequence = job.tracker.display_name, job.sequence.name
    try:
        return _run(job, on_frame)
    except _Stopped:
        return Outcome(name, sequence, "stopped")
    except InputError as error:
        return Outcome(name, sequence, "failed", message=str(error), fatal=isinstance(error, UnwritableError))
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return Outcome(name, sequence, "failed", message=message, traceback=traceback.format_exc())


def _run_serial(jobs: list[_Job], report: ProgressReport, finish: Callable[[Outcome], None]) -> None:
    for job in jobs:
        report.start(job.tracker.display_name, job.sequence.name)
        outcome = _run(job, None) if job.debug else _run_guarded(job, report.on_frame)
        finish(outcome)
        if outcome.fatal:
            return


def _run_parallel(jobs: list[_Job], workers: int, finish: Callable[[Outcome], None]) -> None:
    import torch

    context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
    stop, counter = context.Event(), context.Value("i", 0)
    torch_threads = max(1, torch.get_num_threads() // workers)
    pool = ProcessPoolExecutor(workers, context, _init_worker, (stop, counter, torch_threads))
    pending: dict[Future[Outcome], _Job] = {}
    try:
        with _interrupt_ignored():  # workers inherit this: the parent alone decides what Ctrl-C means
            for job in jobs:
                pending[pool.submit(_run_in_worker, job)] = job
        for future in as_completed(list(pending)):
            outcome = _outcome_of(future, pending.pop(future))
            finish(outcome)
            if outcome.fatal:
                break
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        for future, job in pending.items():  # finished between the interruption and the stop
            if not future.cancelled() and (outcome := _outcome_of(future, job)).status == "done":
                finish(outcome)


def _outcome_of(future: Future[Outcome], job: _Job) -> Outcome:
    name, sequence = job.tracker.display_name, job.sequence.name
    try:
        return future.result()
    except BrokenProcessPool:
        message = "a worker process was killed (out of memory?); run the rest again, with fewer --threads"
        return Outcome(name, sequence, "failed", message=message)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return Outcome(name, sequence, "failed", message=message, traceback="".join(traceback.format_exception(error)))


@contextlib.contextmanager
def _interrupt_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set signal handlers
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


_stop: Any = None  # event of this worker process, set when the run is interrupted


def _init_worker(stop: Any, counter: Any, torch_threads: int) -> None:
    global _stop  # noqa: PLW0603 - the one way to hand an event to the tasks of a worker
    import cv2
    import torch

    _stop = stop
    torch.set_num_threads(torch_threads)
    cv2.setNumThreads(torch_threads)
    with counter.get_lock():
        index, counter.value = counter.value, counter.value + 1
    if torch.cuda.is_available():
        torch.cuda.set_device(index % torch.cuda.device_count())


def _run_in_worker(job: _Job) -> Outcome:
    return _run_guarded(job, _stop_when_told)


def _stop_when_told(finished: int, total: int) -> None:
    if finished < total and _stop.is_set():
        raise _Stopped
