"""What half precision of the network does to the boxes, on real video.

    python benchmarks/half_precision.py dimp_lite
    python benchmarks/half_precision.py dimp50 --device cuda --dataset_name otb

Runs of the same seed are compared with the network in float32 and in each other type: mean AUC, and IoU of the two
boxes of a frame. Two runs of float32 with different seeds show how far apart boxes get by chance. On a CPU float16 is
an option of this benchmark alone; its boxes are what counts here, speed is measured by `benchmarks/speed`.

Options, sequences and results are those of lite_family.py.
"""

import argparse
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from lite_family import add_options, run_and_score, sequences
from rich.console import Console
from rich.table import Table

from ltr.common.boxes import overlap
from pytracking.evaluation.data import SequenceList
from pytracking.evaluation.tracker import Tracker

SINGLE = "float32"
HALVES = ("bfloat16", "float16")
SHARES = (0.9, 0.5)


class AnyTypeTracker(Tracker):
    """A tracker whose network computes in its type wherever it is, with or without instructions for it."""

    def create_tracker(self, *args: Any, **kwargs: Any) -> Any:
        tracker = super().create_tracker(*args, **kwargs)
        with patch("ltr.inference.precision.computes_in", lambda dtype, device: True):
            tracker.initialize_features()  # which loads the network, once in a process
        return tracker


def trackers_of(parameters: str, dtype: str, runs: int, device: str | None, results: Path) -> list[Tracker]:
    change: dict[str, Any] = {}
    if dtype != SINGLE:
        change = {"overrides": {"network_dtype": dtype}, "label": dtype}
    return [
        AnyTypeTracker("dimp", parameters, run, results_path=results, device=device, **change) for run in range(runs)
    ]


def boxes(trackers: list[Tracker], dataset: SequenceList) -> list[list[np.ndarray]]:
    """(frames, 4) by run and sequence."""
    return [
        [np.loadtxt(tracker.results_dir / f"{sequence.name}.txt", ndmin=2) for sequence in dataset]
        for tracker in trackers
    ]


def agreement(one: list[list[np.ndarray]], other: list[list[np.ndarray]]) -> np.ndarray:
    """IoU of the two boxes of each frame but the first, all runs and sequences in a row."""
    pairs = [pair for runs in zip(one, other, strict=True) for pair in zip(*runs, strict=True)]
    return np.concatenate([overlap(a[1:], b[1:]) for a, b in pairs])


def row(name: str, auc: np.ndarray, difference: str, iou: np.ndarray) -> list[str]:
    shares = [f"{(iou >= share).mean():.1%}" for share in SHARES]
    return [name, f"{auc.mean():.3f}", difference, f"{iou.mean():.3f}", f"{np.median(iou):.3f}", *shares]


def mean_and_error(values: np.ndarray) -> str:
    return f"{values.mean():+.4f} ± {values.std(ddof=1) / np.sqrt(values.size):.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parameters", help="parameter file of the tracker dimp, e.g. dimp_lite")
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: as the trackers)")
    parser.add_argument("--dtypes", nargs="+", choices=HALVES, default=HALVES)
    add_options(parser, runs=3)
    args = parser.parse_args()
    if args.runs < 2:
        parser.error("expected at least 2 --runs, which show what chance does")
    dataset = sequences(args.dataset_name, args.sequences)
    groups = {
        dtype: trackers_of(args.parameters, dtype, args.runs, args.device, args.results)
        for dtype in (SINGLE, *args.dtypes)
    }
    scores = run_and_score(groups, dataset, args.threads)
    found = {dtype: boxes(trackers, dataset) for dtype, trackers in groups.items()}
    single, auc = found[SINGLE], scores[SINGLE].auc

    rows = [row(f"{SINGLE}, another seed", auc, "", agreement(single, [*single[1:], single[0]]))]
    for dtype in args.dtypes:
        other = scores[dtype].auc
        rows.append(row(dtype, other, mean_and_error(other - auc), agreement(single, found[dtype])))
    shares = [f"IoU ≥ {share}" for share in SHARES]
    header = ["against float32", "AUC", "difference ± standard error", "mean IoU", "median IoU", *shares]
    title = f"half_precision_{args.parameters}_{args.dataset_name}"
    table = Table(*header, title=f"{title}, {len(dataset)} sequences, {args.runs} seeds")
    for cells in rows:
        table.add_row(*cells)
    Console(width=max(140, Console().width)).print(table)
    args.results.mkdir(parents=True, exist_ok=True)
    by_type = {dtype: score.auc.tolist() for dtype, score in scores.items()}
    (args.results / f"{title}.json").write_text(
        json.dumps({"sequences": dataset.names, "auc": by_type, "header": header, "rows": rows}, indent=1)
    )
    print(f"written: {args.results / title}.json")


if __name__ == "__main__":
    main()
