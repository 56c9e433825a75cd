"""Compare trackers by their stored results: tables, plots, and one HTML page to read them.

    python -m pytracking.util_scripts.report --dataset_name otb --trackers dimp:rls_dimp_lite:0,1,2 dimp:bgd_dimp_lite

A tracker is given as name:parameters, with its runs as name:parameters:0,1,2 or 0-19, and a name to show after "=":
"RLS-DiMP=dimp:rls_dimp_lite:0-4".
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import TYPE_CHECKING

from ltr.common.errors import InputError, exit_status
from pytracking.arguments import Parser, parse_folder

if TYPE_CHECKING:
    from pytracking.analysis.report.report import Report
    from pytracking.evaluation.tracker import Tracker

EXPECTED = "expected a tracker as name:parameters, name:parameters:0,1,2 or name:parameters:0-4"


def parse_tracker(text: str, results_path: Path | None = None) -> list[Tracker]:
    """The runs that `text` names. Raises InputError for another form."""
    from pytracking.evaluation.tracker import trackerlist

    shown, _, what = text.rpartition("=")
    parts = what.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise InputError(f"{EXPECTED}, found '{text}'")
    ids = _parse_runs(parts[2], text) if len(parts) == 3 else None
    return trackerlist(parts[0], parts[1], ids, shown or None, results_path=results_path)


def _parse_runs(text: str, whole: str) -> list[int]:
    ids: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"{EXPECTED}, found '{whole}'")
        ids += range(int(first), int(last or first) + 1)
    return ids


def write_report(
    tracker_texts: SequenceOf[str],
    dataset_name: str = "otb",
    convention: str = "official",
    output: Path | None = None,
    sequence: SequenceOf[str] | None = None,
    strips: int = 6,
    results_path: Path | None = None,
    title: str | None = None,
) -> tuple[Report, list[Path]]:
    """Make the report of trackers (as for `parse_tracker`) on a data set, or on some of its sequences, and write it.

    Sequences that some run lacks are left out, which the report says. `output` is by default
    `<result_plot_path>/report_<dataset>`. Returns the report and its files, the page first.
    Raises InputError for wrong names and results that cannot be scored.
    """
    from ltr.common.environment import env_settings
    from pytracking.analysis.evaluation import evaluate, group_runs
    from pytracking.analysis.report.files import write_report_files
    from pytracking.analysis.report.report import make_report
    from pytracking.evaluation.data import SequenceList
    from pytracking.evaluation.datasets import load_dataset
    from pytracking.scoring.rows import RowCountWarning

    trackers = [tracker for text in tracker_texts for tracker in parse_tracker(text, results_path)]
    source = load_dataset(dataset_name)
    dataset = source.get_sequence_list()
    if sequence is not None:
        dataset = dataset[list(sequence)]
    with_results = SequenceList(s for s in dataset if any((t.results_dir / f"{s.name}.txt").exists() for t in trackers))
    # Ground truth of a sequence that no tracker was run on need not be there.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowCountWarning)  # the report says so itself
        evaluation = evaluate(trackers, with_results or dataset, convention, keep_missing=True)
    report = make_report(
        evaluation,
        dict(zip((scores.name for scores in evaluation.trackers), group_runs(trackers), strict=True)),
        with_results,
        {short: [s for s in dataset if short in s.attributes] for short in source.attribute_names},
        source.attribute_names,
        strips,
        title,
        whole=len(dataset),
    )
    folder = output or env_settings().result_plot_path / f"report_{source.name}"
    return report, write_report_files(report, folder)


def show(report: Report, files: SequenceOf[Path], per_sequence: bool = False) -> None:
    """Print the tables of a report, and where its files are."""
    from pytracking.analysis.report.tables import make_console

    console = make_console()
    for name, table in report.tables().items():
        if per_sequence or not name.startswith("sequences_"):
            table.print(console)
            if note := report.notes.get(name):
                console.print(note, style="dim", highlight=False)
            console.print()
    lines = [f"note: {notice}" for notice in report.notices]
    lines += [f"page:             {files[0]}", f"tables and plots: {files[0].parent}"]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 2 for wrong input."""
    parser = Parser(description=__doc__)
    option = parser.option
    option("trackers", nargs="+", required=True, help="name:parameters[:runs], several")
    option("dataset_name", default="otb", help="data set, as for run_tracker (default: otb)")
    option("sequence", nargs="+", help="only these sequences (default: all that have results)")
    option("convention", default="official", help="official or pytracking: whose rules to score by (default: official)")
    option("output", type=parse_folder, help="folder of the report (default: result_plot_path/report_<data set>)")
    option("strips", type=int, default=6, help="number of film strips of the worst sequences (default: 6)")
    option("per_sequence", action="store_true", help="print the tables of sequences too")
    option("results_path", type=parse_folder, help="folder of the results (default: the setting results_path)")
    option("title", help="title of the page")
    args = parser.parse_args(arguments)

    def command() -> int:
        written = write_report(
            args.trackers, args.dataset_name, args.convention, args.output, args.sequence, args.strips,
            args.results_path, args.title,
        )  # fmt: skip
        show(*written, args.per_sequence)
        return 0

    return exit_status(command)


if __name__ == "__main__":
    sys.exit(main())
