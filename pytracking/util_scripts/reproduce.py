"""A table or figure of the paper: its numbers beside ours, what is missing, and the command that fills it.

    python -m pytracking.util_scripts.reproduce table4          the paper's benchmarks and networks
    python -m pytracking.util_scripts.reproduce table4 --lite   the lite model on the data that is here

Ours are scored by the benchmarks' own rules (docs/evaluation.md), for all trackers on the same sequences: those that
every tracker has in its fullest run. ± is the standard deviation over the runs that have them all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence as SequenceOf
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ltr.common.environment import config_file
from ltr.common.errors import InputError, exit_status
from pytracking.analysis.paper_tables import (
    TITLES,
    VOT_METRICS,
    Group,
    OurGroup,
    PaperTable,
    list_tables,
    our_groups,
    read_paper_table,
)
from pytracking.analysis.report.tables import Spread
from pytracking.arguments import Parser, parse_folder
from pytracking.evaluation.sweep import Sweep, list_sweeps, read_sweep

FILE_WIDTH = 160  # of tables, where the output is no terminal
NOTHING = "–"


def reproduce(
    name: str, lite: bool = False, results_path: Path | None = None, console: Console | None = None
) -> list[OurGroup]:
    """Print the table and return our numbers. Raises InputError for an unknown table and results that are no good."""
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, FILE_WIDTH)
    paper = read_paper_table(name)
    sweep = _sweep(paper, lite)
    if results_path is not None and (sweep is None or sweep.command):
        raise InputError(f"--results_path is of no use with {name}, whose numbers are not read from stored results")
    console.print(f"[bold]{paper.title}[/]\nthe paper's numbers are the mean of {paper.runs} runs", highlight=False)
    if paper.note:
        console.print(paper.note, highlight=False)
    ours: list[OurGroup] = []
    for group in paper.groups:
        found = our_groups(group, sweep, lite, results_path) if sweep else []
        ours += found
        for entry in found:
            if entry.sequences or len(entry.datasets) > 1 or len(found) == 1:
                _print_group(console, group, entry, lite)
        if not found and not lite:
            _print_group(console, group, None, lite)
    for line in _next_steps(paper, sweep, ours, lite, results_path):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return ours


def _sweep(paper: PaperTable, lite: bool) -> Sweep | None:
    name = paper.name + ("_lite" if lite else "")
    if name in list_sweeps():
        return read_sweep(name)
    if lite:
        raise InputError(f"there is no lite sweep of {paper.name}")
    return None


def _print_group(console: Console, group: Group, ours: OurGroup | None, lite: bool) -> None:
    """One benchmark: a column of the paper and one of ours for each number."""
    metrics = ours.metrics if ours else group.metrics
    title = f"paper: {group.title}"
    if ours:
        title += f"; ours: {', '.join(ours.datasets)}, {ours.sequences} of {ours.total} sequences"
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    table = Table("tracker")
    for metric in metrics:
        if metric in group.metrics:
            table.add_column(f"{TITLES[metric]}\npaper", justify="right", no_wrap=True)
        if ours is not None and metric not in VOT_METRICS:
            table.add_column(f"{TITLES[metric]}\nours", justify="right", no_wrap=True)
    if ours is not None:
        table.add_column("runs", justify="right")
        table.add_column("missing", justify="right")
    rows = dict.fromkeys(group.values) | dict.fromkeys(ours.missing if ours else ())
    for row in rows:
        if not lite or (ours is not None and row in ours.missing):
            table.add_row(*_cells(row, group, ours, metrics))
    console.print(table)
    for note in ours.notes if ours else ():
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def _cells(row: str, group: Group, ours: OurGroup | None, metrics: SequenceOf[str]) -> list[str]:
    cells = [row]
    values = dict(zip(group.metrics, group.values.get(row, ()), strict=False))
    for metric in metrics:
        if metric in group.metrics:
            value = values.get(metric)
            cells.append(NOTHING if value is None else _number(metric, value))
        if ours is not None and metric not in VOT_METRICS:
            cells.append(_score(metric, ours.scores.get(row, {}).get(metric)))
    if ours is not None:
        is_run = row in ours.missing
        cells += [str(ours.runs.get(row, 0)) if is_run else "", str(ours.missing[row]) if is_run else ""]
    return cells


def _score(metric: str, score: Spread | None) -> str:
    if score is None:
        return NOTHING
    spread = "" if score.std != score.std else f" ± {_number(metric, score.std)}"
    return _number(metric, score.mean) + spread


def _number(metric: str, value: float) -> str:
    return f"{value:.1f}" if metric == "fps" else f"{value:.0f}" if metric == "memory" else f"{value:.3f}"


def _next_steps(
    paper: PaperTable, sweep: Sweep | None, ours: SequenceOf[OurGroup], lite: bool, results_path: Path | None
) -> list[str]:
    if sweep is None or sweep.command:
        return [sweep.command.strip() if sweep else "measured by VOT's reset-based protocol: use the VOT command"]
    shown = {dataset for entry in ours for dataset in entry.datasets}
    lines = []
    if not lite and (absent := [group.dataset for group in paper.groups if group.dataset not in shown]):
        lines.append(f"not here: {', '.join(absent)} (set the paths in {config_file()}, see docs/datasets.md)")
    singles = [entry for entry in ours if len(entry.datasets) == 1]
    missing = sum(sum(entry.missing.values()) for entry in singles)
    place = "" if results_path is None else f" --results_path {results_path}"
    command = f"python -m pytracking.run_experiment {sweep.name}{place}"
    if missing or lines:
        counted = f"{missing} results are missing; " if missing else ""
        lines.append(f"{counted}to fill the table: {command} (--dry-run: how long it takes)")
    else:
        lines.append(f"nothing is missing of sweep {sweep.name}")
    return lines


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 2 for wrong input."""
    parser = Parser(description=__doc__)
    parser.add_argument("table", help=f"one of {', '.join(list_tables())}")
    parser.add_argument("--lite", action="store_true", help="the lite model on the data that is here")
    parser.option("results_path", type=parse_folder, help="folder of the results")
    args = parser.parse_args(arguments)

    def command() -> int:
        reproduce(args.table, args.lite, args.results_path)
        return 0

    return exit_status(command)


if __name__ == "__main__":
    sys.exit(main())
