"""Running trackers over sequences: what is finished is saved at once and not run again."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from pytracking.evaluation.data import Sequence
from pytracking.evaluation.engines.base import Engine
from pytracking.evaluation.engines.dispatcher import Dispatcher
from pytracking.evaluation.engines.local import LocalEngine
from pytracking.evaluation.engines.serial import SerialEngine
from pytracking.evaluation.frame_loop import OnFrame
from pytracking.evaluation.jobs import Job, Outcome, run_job
from pytracking.evaluation.planning import Part, Plan, make_plan, variant_name
from pytracking.evaluation.progress import FPS_MEANING, ProgressReport
from pytracking.evaluation.results import ResultStore, UnwritableError
from pytracking.evaluation.tracker import Tracker
from pytracking.evaluation.tracker_setup import SetupError

SHOWN_MESSAGES = 10  # different messages that a summary repeats


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
        unforeseen = {text: group for text, group in groups.items() if group[0].traceback}
        messages = [entry for entry in groups.items() if entry[0] not in unforeseen]
        for text, outcomes in [*unforeseen.items(), *messages[:SHOWN_MESSAGES]]:
            names = ", ".join(f"{o.tracker} {o.sequence}" for o in outcomes[:5])
            separator = "\n" if "\n" in text else " "
            more = f" and {len(outcomes) - 5} more" if len(outcomes) > 5 else ""
            lines.append(f"failed: {names}{more}:{separator}{text}")
        if rest := [f"{o.tracker} {o.sequence}" for _, outcomes in messages[SHOWN_MESSAGES:] for o in outcomes]:
            lines.append(f"{len(rest)} more failed, for reasons told above when they did: {', '.join(rest)}")
        return "\n".join(lines)


class _Recorder:
    """Passes on to the report what happens, and keeps the outcomes."""

    def __init__(self, summary: RunSummary, report: ProgressReport) -> None:
        self._summary = summary
        self.start, self.frame, self.notice = report.start, report.frame, report.notice
        self._report = report

    def finish(self, job: Job, outcome: Outcome) -> None:
        self._summary.outcomes.append(outcome)
        self._report.finish(job, outcome)


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
    return run_job(Job(seq, tracker, store, overwrite, int(debug), visdom_info), on_frame)


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
    Raises InputError before anything is run where names are unknown or results of other parameters are present,
    SetupError for trackers that cannot start, once the others are through, and KeyboardInterrupt, with all finished
    sequences saved, when it is interrupted.
    """
    parts = [Part(trackers, dataset)]
    if debug:
        return debug_parts(parts, debug, visdom_info, console=console)
    engine: Engine = SerialEngine()
    if threads > 0:
        engine = LocalEngine(max(1, min(threads, len(dataset) * len(trackers))))
    return run_parts(parts, engine, overwrite=overwrite, console=console)


def debug_parts(
    parts: SequenceOf[Part],
    debug: int = 1,
    visdom_info: dict[str, Any] | None = None,
    *,
    console: Console | None = None,
) -> RunSummary:
    """Run everything in this process and raise what trackers raise; results are neither used nor saved."""
    console = console or Console(stderr=True)
    _say(console, "debug run: existing results are ignored, and nothing is saved")
    options = (None, False, int(debug), visdom_info)
    jobs = [Job(s, t, *options) for p in parts for s in p.sequences for t in p.trackers]
    return _run(jobs, SerialEngine(raises=True), RunSummary(len(jobs)), ProgressReport(len(jobs), console))


def run_parts(
    parts: SequenceOf[Part],
    engine: Engine,
    *,
    overwrite: bool = False,
    fail_fast: bool = False,
    console: Console | None = None,
) -> RunSummary:
    """Run every tracker of each part on its sequences with an engine; see `run_dataset`.

    Raises DeviceError, with all finished sequences saved, where a GPU fails that nobody can replace, and SetupError
    where trackers cannot start, once the others are through.
    With `fail_fast` the first failure stops the rest. A tracker whose results cannot be written fails, the others go
    on; where that is so for all, UnwritableError is raised.
    """
    console = console or Console(stderr=True)
    for tracker in {variant_name(tracker): tracker for part in parts for tracker in part.trackers}.values():
        engine.check_device(tracker.get_parameters().get("device", None))
    plan = make_plan(parts, overwrite)
    summary = RunSummary(len(plan.jobs))
    unwritable = _open_stores(plan, overwrite, console)
    skipped = plan.with_state("done")
    summary.outcomes += [planned.job.outcome("skipped") for planned in skipped]
    if skipped:
        _say(console, f"{len(skipped)} of {len(plan.jobs)} skipped: results exist (use --overwrite)")
    for line in plan.remarks():
        _say(console, line)
    rest = plan.with_state("to do", "again", "refused")
    frames = sum(plan.frames(planned.job) or 0 for planned in rest)
    report = ProgressReport(len(plan.jobs), console, plan.frames, frames, finished=len(skipped))
    jobs = []
    for planned in rest:
        message = unwritable.get(id(planned.job.store)) or (planned.reason if planned.state == "refused" else "")
        if message:
            outcome = planned.job.outcome("failed", message=message)
            _Recorder(summary, report).finish(planned.job, outcome)
        else:
            jobs.append(planned.job)
    if fail_fast and summary.with_status("failed"):
        jobs = []
    return _run(jobs, engine, summary, report, fail_fast)


def _run(
    jobs: list[Job], engine: Engine, summary: RunSummary, report: ProgressReport, fail_fast: bool = False
) -> RunSummary:
    console = report.console
    dispatcher = Dispatcher(jobs, _Recorder(summary, report), fail_fast)
    try:
        with report:
            if jobs:
                engine.run(dispatcher)
    except KeyboardInterrupt:
        _say(console, f"\ninterrupted: {summary.describe()}\nwhat is done is kept; the same command runs the rest")
        raise
    if dispatcher.faults:
        raise SetupError("\n".join(dispatcher.faults))
    if report.scores:
        _say(console, "\n".join(["mean AUC of what this run tracked:", *(f"  {s}" for s in report.score_lines())]))
    _say(console, summary.describe())
    if summary.with_status("done"):
        _say(console, "; ".join(text for text in (FPS_MEANING, engine.describe()) if text))
    return summary


def _open_stores(plan: Plan, overwrite: bool, console: Console) -> dict[int, str]:
    """Make the folders ready; what is wrong with those that cannot be written, by the id of the store.

    Raises InputError where results of other parameters are there, UnwritableError where no folder can be written.
    """
    stores = {id(planned.job.store): planned.job.store for planned in plan.jobs if planned.job.store is not None}
    for store in stores.values():
        store.check_parameters(overwrite)
    unwritable: dict[int, str] = {}
    for key, store in stores.items():
        try:
            if set_aside := store.open(overwrite):
                _say(console, f"results of other parameters were set aside: {set_aside}")
        except UnwritableError as error:
            unwritable[key] = str(error)
            if len(unwritable) == len(stores):
                raise
    return unwritable


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
