"""What re-detection gains where a target goes and comes back, and what it costs where it does not.

    python -m benchmarks.long_term table --datasets folder:/data/TLD otb rendered --sequences 06_car Girl2 ...
    python -m benchmarks.long_term fit --datasets folder:/data/clips rendered

`table` runs each tracker with and without re-detection: F (VOT-LT), TPR, TNR and MaxGM (OxUvA) and the time until the
target is found again on sequences with absent frames, AUC on the others, with the paired intervals of a bootstrap over
sequences. `fit` gives the presence map and threshold of the `_lt` parameter files from sequences that nothing is judged
on. `rendered` are sequences in which the target leaves on one side and comes back on another after 50 to 500 frames;
those of `fit` have other objects, backgrounds and seeds than those of `table`.

Results are kept and reused, so an interrupted run goes on where it stopped; `--table_only` shows what is there.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.long_term.fit import RawScores, fit
from benchmarks.long_term.scenes import rendered
from pytracking.analysis.comparison import bootstrap_interval
from pytracking.analysis.long_term import LongTermScores, evaluate_long_term, has_absent_frames
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.running import run_dataset
from pytracking.evaluation.tracker import Tracker
from pytracking.scoring.metrics import score_sequence

PAIRS = (("dimp_lite", "dimp_lite_lt"), ("bgd_dimp_lite", "bgd_dimp_lite_lt"), ("rls_dimp_lite", "rls_dimp_lite_lt"))
MEASURES: dict[str, Callable[[LongTermScores], float]] = {
    "F": lambda scores: scores.f_score,
    "TPR": lambda scores: scores.oxuva.tpr,
    "TNR": lambda scores: scores.oxuva.tnr,
    "MaxGM": lambda scores: scores.oxuva.max_gm,
    "found": lambda scores: scores.found,
    "frames until > 0": lambda scores: scores.touch_time,
    "frames until > 0.5": lambda scores: scores.find_time,
}


@dataclass(frozen=True)
class Group:
    """The runs of one tracker."""

    name: str
    runs: list[Tracker]

    def long_term(self, sequences: list[Sequence]) -> dict[str, float]:
        """Measures of all sequences together, mean over the runs."""
        scores = [evaluate_long_term(run, sequences) for run in self.runs]
        return {name: float(np.mean([of(score) for score in scores])) for name, of in MEASURES.items()}

    def auc(self, sequence: Sequence) -> float:
        """Mean over the runs."""
        present = sequence.target_visible & np.isfinite(sequence.ground_truth_rect).all(axis=1)
        boxes = [np.loadtxt(run.results_dir / f"{sequence.name}.txt", ndmin=2) for run in self.runs]
        return float(np.mean([score_sequence(b[present], sequence.ground_truth_rect[present]).auc for b in boxes]))

    def has(self, sequence: Sequence) -> bool:
        """Whether all runs have tracked a sequence."""
        return all((run.results_dir / f"{sequence.name}.txt").exists() for run in self.runs)


def chosen(args: argparse.Namespace) -> list[Sequence]:
    """The sequences in the order of --sequences, which is that in which they are run."""
    found: dict[str, Sequence] = {}
    for name in args.datasets:
        part = "train" if args.task == "fit" else "dev"
        sequences = rendered(part, args.rendered / part) if name == "rendered" else get_dataset(name)
        found |= {sequence.name: sequence for sequence in sequences}
    missing = [name for name in args.sequences or () if name not in found]
    if missing:
        raise SystemExit(f"expected sequences of {', '.join(args.datasets)}, found none called {', '.join(missing)}")
    return [found[name] for name in args.sequences or found]


def run_all(trackers: list[Tracker], sequences: list[Sequence], threads: int) -> None:
    """Run sequence by sequence, so that what is finished can be compared."""
    for sequence in sequences:
        summary = run_dataset([sequence], trackers, threads=threads)
        if summary.exit_status:
            raise SystemExit(summary.exit_status)


def measure(groups: list[tuple[Group, Group]], sequences: list[Sequence]) -> tuple[list[list[str]], list[str]]:
    """Rows of the table of sequences with absent targets, and of differences."""
    away = [sequence for sequence in sequences if has_absent_frames(sequence)]
    stays = [sequence for sequence in sequences if not has_absent_frames(sequence)]
    rows, differences = [], []
    for pair in groups:
        for group in pair:
            values = group.long_term(away) if away else {}
            shown = [values.get(name, np.nan) for name in MEASURES]
            shown.append(float(np.mean([group.auc(sequence) for sequence in stays])) if stays else np.nan)
            rows.append([group.name, *(f"{value:.3f}" for value in shown)])
        without, with_it = pair
        f_gains = [with_it.long_term([s])["F"] - without.long_term([s])["F"] for s in away]
        auc_gains = [with_it.auc(sequence) - without.auc(sequence) for sequence in stays]
        for what, gains, over in (("F", f_gains, away), ("AUC", auc_gains, stays)):
            if gains:
                interval = bootstrap_interval(np.array(gains))
                each = ", ".join(f"{s.name} {gain:+.3f}" for s, gain in zip(over, gains, strict=True))
                text = f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
                differences.append(f"{with_it.name} minus {without.name}, {what}: {text}\n  {each}")
    return rows, differences


def show(groups: list[tuple[Group, Group]], sequences: list[Sequence], folder: Path, title: str) -> None:
    """Table and differences, to the terminal and to a Markdown file."""
    ready = [s for s in sequences if all(group.has(s) for pair in groups for group in pair)]
    if not ready:
        raise SystemExit("no sequence has results of all trackers and runs yet")
    rows, differences = measure(groups, ready)
    header = ["tracker", *MEASURES, "AUC, never absent"]
    names = ", ".join(sequence.name for sequence in ready)
    table = Table(*header, title=f"{title}: {names}")
    for row in rows:
        table.add_row(*row)
    Console(width=max(160, Console().width)).print(table, *differences, sep="\n")
    lines = [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{title}.md").write_text("\n".join([names, "", *lines, "", *differences]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("table", "fit"))
    parser.add_argument("--datasets", nargs="+", default=["rendered"], help="rendered, or names as of run_tracker.py")
    parser.add_argument("--sequences", nargs="+", help="in this order (default: all)")
    parser.add_argument("--trackers", nargs="+", help="parameter files with re-detection (default: all three)")
    parser.add_argument("--runs", type=int, default=1, help="seeds of each tracker (default: 1)")
    parser.add_argument("--threads", type=int, default=0, help="worker processes (default: none)")
    parser.add_argument("--results", type=Path, default=Path("results/benchmarks"), help="where results are kept")
    parser.add_argument("--rendered", type=Path, default=Path("data/long_term"), help="where sequences are rendered")
    parser.add_argument("--title", default="long_term", help="name of the table's file")
    parser.add_argument("--table_only", action="store_true", help="run nothing")
    args = parser.parse_args()
    sequences = chosen(args)
    pairs = [pair for pair in PAIRS if args.trackers is None or pair[1] in args.trackers]
    if args.task == "fit":
        raw = [RawScores("dimp", name, run, results_path=args.results) for _, name in pairs for run in range(args.runs)]
        if not args.table_only:
            run_all(raw, sequences, args.threads)
        print(json.dumps(fit(raw, sequences), indent=1))
        return
    groups = [
        tuple(
            Group(name, [Tracker("dimp", name, run, results_path=args.results) for run in range(args.runs)])
            for name in pair
        )
        for pair in pairs
    ]
    if not args.table_only:
        run_all([run for pair in groups for group in pair for run in group.runs], sequences, args.threads)
    show(groups, sequences, args.results, args.title)


if __name__ == "__main__":
    main()
