"""What re-detection gains where a target goes and comes back, and what it costs where it does not.

    python -m benchmarks.long_term table --datasets folder:/data/TLD otb rendered --sequences 06_car Girl2 ...
    python -m benchmarks.long_term fit --datasets folder:/data/clips rendered

`table` runs each tracker with and without re-detection: F (VOT-LT), TPR, TNR and MaxGM (OxUvA) and the time until the
target is found again on sequences with absent frames, AUC on the others, with the paired intervals of a bootstrap over
sequences. Both of a pair have the same random numbers, so they differ by what re-detection does alone; where the target
is never absent, runs that lost nothing without it would be the same to the last bit with it, and are not repeated.

`fit` gives the presence map and threshold of the `_lt` parameter files from sequences that nothing is judged on.
`rendered` are sequences in which the target leaves on one side and comes back on another after 50 to 500 frames; those
of `fit` have other objects, backgrounds and seeds than those of `table`.

Results are kept and reused, so an interrupted run goes on where it stopped; `--table_only` shows what is there.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.long_term.fit import RawScores, fit
from benchmarks.long_term.pairs import TRACKERS, Pair, is_ready
from benchmarks.long_term.scenes import rendered
from pytracking.analysis.comparison import bootstrap_interval
from pytracking.analysis.long_term import LongTermScores, evaluate_long_term, has_absent_frames
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.running import run_dataset
from pytracking.evaluation.tracker import Tracker

MEASURES: dict[str, Callable[[LongTermScores], float]] = {
    "F": lambda scores: scores.f_score,
    "TPR": lambda scores: scores.oxuva.tpr,
    "TNR": lambda scores: scores.oxuva.tnr,
    "MaxGM": lambda scores: scores.oxuva.max_gm,
    "found": lambda scores: scores.found,
    "frames until > 0": lambda scores: scores.touch_time,
    "frames until > 0.5": lambda scores: scores.find_time,
}


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
    """Raises SystemExit where a run fails."""
    summary = run_dataset(sequences, trackers, threads=threads)
    if summary.exit_status:
        raise SystemExit(summary.exit_status)


def run_pairs(pairs: list[Pair], sequences: list[Sequence], threads: int) -> None:
    """Run sequence by sequence, so that what is finished can be compared."""
    for sequence in sequences:
        run_all([pair.without for pair in pairs], [sequence], threads)
        needed = [pair.with_it for pair in pairs if has_absent_frames(sequence) or pair.loses(sequence)]
        if needed:
            run_all(needed, [sequence], threads)


def measures(runs: list[Tracker], sequences: list[Sequence]) -> dict[str, float]:
    """Of all sequences together, mean over the runs; F is that of the best threshold of each run."""
    scores = [evaluate_long_term(run, sequences) for run in runs]
    return {name: float(np.mean([of(score) for score in scores])) for name, of in MEASURES.items()}


def measure(groups: dict[str, list[Pair]], sequences: list[Sequence]) -> tuple[list[list[str]], list[str]]:
    """Rows of the table of sequences with absent targets, and of differences."""
    away = [sequence for sequence in sequences if has_absent_frames(sequence)]
    stays = [sequence for sequence in sequences if not has_absent_frames(sequence)]
    rows, differences = [], []
    for name, pairs in groups.items():
        sides = {name: [pair.without for pair in pairs], f"{name}_lt": [pair.with_it for pair in pairs]}
        auc = np.reshape([[pair.auc(sequence) for pair in pairs] for sequence in stays], (len(stays), len(pairs), 2))
        for side, (label, runs) in enumerate(sides.items()):
            values = measures(runs, away) if away else {}
            shown = [values.get(of, np.nan) for of in MEASURES] + [auc[..., side].mean() if stays else np.nan]
            rows.append([label, *(f"{value:.3f}" for value in shown)])
        before, after = ([measures(runs, [sequence])["F"] for sequence in away] for runs in sides.values())
        auc_gains = list((auc[..., 1] - auc[..., 0]).mean(axis=1))
        lost = sum(pair.loses(sequence) for pair in pairs for sequence in stays)
        for what, gains, over in (
            ("F", list(np.subtract(after, before)), away),
            (f"AUC, {lost} of {len(stays) * len(pairs)} runs lost the target", auc_gains, stays),
        ):
            if gains:
                interval = bootstrap_interval(np.array(gains))
                each = ", ".join(f"{s.name} {gain:+.3f}" for s, gain in zip(over, gains, strict=True))
                text = f"{interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
                differences.append(f"{name}, with re-detection minus without, {what}: {text}\n  {each}")
    return rows, differences


def show(groups: dict[str, list[Pair]], sequences: list[Sequence], folder: Path, title: str) -> None:
    """Table and differences, to the terminal and to a Markdown file."""
    ready = [s for s in sequences if all(is_ready(pair, s) for pairs in groups.values() for pair in pairs)]
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
    parser.add_argument("--trackers", nargs="+", choices=TRACKERS, default=TRACKERS, help="default: all four")
    parser.add_argument("--runs", type=int, default=1, help="seeds of each tracker (default: 1)")
    parser.add_argument("--threads", type=int, default=0, help="worker processes (default: none)")
    parser.add_argument("--results", type=Path, default=Path("results/benchmarks"), help="where results are kept")
    parser.add_argument("--rendered", type=Path, default=Path("data/long_term"), help="where sequences are rendered")
    parser.add_argument("--title", default="long_term", help="name of the table's file")
    parser.add_argument("--table_only", action="store_true", help="run nothing")
    args = parser.parse_args()
    sequences = chosen(args)
    if args.task == "fit":
        raw = [
            RawScores("dimp", f"{name}_lt", run, results_path=args.results)
            for name in args.trackers
            for run in range(args.runs)
        ]
        if not args.table_only:
            run_all(raw, sequences, args.threads)
        print(json.dumps(fit(raw, sequences), indent=1))
        return
    groups = {name: [Pair.of(name, run, args.results) for run in range(args.runs)] for name in args.trackers}
    if not args.table_only:
        run_pairs([pair for pairs in groups.values() for pair in pairs], sequences, args.threads)
    show(groups, sequences, args.results, args.title)


if __name__ == "__main__":
    main()
