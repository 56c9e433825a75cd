"""What a run would do, as tables."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf

from rich.console import Console
from rich.table import Table

from pytracking.evaluation.planning import SHOWN_NAMES, STATES, Part, Plan, PlannedJob, make_plan, variant_name
from pytracking.evaluation.progress import describe_seconds

FILE_WIDTH = 140  # of the table, where the output is no terminal
SHOWN_REASONS = 10


def show_plan(
    parts: SequenceOf[Part], workers: int | None = None, overwrite: bool = False, console: Console | None = None
) -> int:
    """Print what would be done; no result is made or touched. Returns 0, or 2 where a run would refuse to start.

    Raises InputError for what a run refuses before it looks at results.
    """
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, FILE_WIDTH)
    plan = make_plan(parts, overwrite)
    console.print(_table(plan))
    for line in [*_reasons(plan), _time(plan, workers or 1)]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 2 if plan.with_state("refused") else 0


def _table(plan: Plan) -> Table:
    groups: dict[tuple[str, str], list[PlannedJob]] = {}
    for planned in plan.jobs:
        groups.setdefault((variant_name(planned.job.tracker), planned.job.sequence.dataset), []).append(planned)
    table = Table("tracker", "data set", "jobs", *STATES, "frames to do", "fps", "time")
    for (tracker, dataset), jobs in groups.items():
        rest = [planned for planned in jobs if planned.state in ("to do", "again")]
        seconds, fps = plan.seconds(rest), plan.fps.get(tracker)
        counts = [sum(planned.state == state for planned in jobs) for state in STATES]
        frames = sum(plan.frames(planned.job) or 0 for planned in rest)
        speed = "unknown" if fps is None else f"{fps:.1f}"
        duration = "unknown" if seconds is None else describe_seconds(seconds)
        table.add_row(tracker, dataset, *map(str, (len(jobs), *counts, frames)), speed, duration)
    return table


def _reasons(plan: Plan) -> list[str]:
    groups: dict[tuple[str, str], list[str]] = {}
    for planned in plan.with_state("again", "refused"):
        groups.setdefault((planned.state, planned.reason), []).append(planned.job.name)
    lines = plan.remarks()
    for (state, reason), names in list(groups.items())[:SHOWN_REASONS]:
        more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        lines.append(f"{state}: {', '.join(names[:SHOWN_NAMES])}{more}: {reason}")
    if rest := list(groups.values())[SHOWN_REASONS:]:
        lines.append(f"... and {sum(map(len, rest))} more jobs, each for a reason of its own")
    if unreadable := [planned.job.name for planned in plan.with_state("to do") if plan.frames(planned.job) is None]:
        lines.append(f"{len(unreadable)} jobs will fail, their data cannot be read: {', '.join(unreadable[:3])}")
    return lines


def _time(plan: Plan, workers: int) -> str:
    rest = plan.with_state("to do", "again")
    seconds = plan.seconds(rest)
    frames = sum(plan.frames(planned.job) or 0 for planned in rest)
    text = f"{len(rest)} of {len(plan.jobs)} jobs to run, {frames} frames"
    if not rest:
        return text
    if seconds is None:
        unknown = sorted({variant_name(p.job.tracker) for p in rest} - plan.fps.keys())
        return f"{text}; no estimate of the time: no speed is recorded of {', '.join(unknown)}"
    among = f" with {workers} workers, if none slows another" if workers > 1 else " with one worker"
    return f"{text}; about {describe_seconds(seconds / workers)}{among} (recorded fps: reading images is not counted)"
