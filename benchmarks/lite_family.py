"""The DiMP family on the embedded lite model, on real video.

    python benchmarks/lite_family.py tune     online step length of BGD and of RLS, the same grid for both
    python benchmarks/lite_family.py table    all eight family members
    python benchmarks/lite_family.py boxes    estimators of boxes: scale search, ridge regression, IoU-Net
    python benchmarks/lite_family.py heads    SuperDiMP's and PrDiMP's settings beside DiMP's, each with RLS

--untrained takes the family without trained heads.

Needs OTB sequences under the setting otb_path (or PYTRACKING_OTB_PATH); those that are there are used, unless
--sequences names some. Results are kept below results/benchmarks and reused, so an interrupted run goes on where it
stopped. Each process gets one torch thread. Tables go to the terminal and, as JSON and Markdown, beside the results.
"""

import argparse
import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from rich.console import Console
from rich.table import Table

from ltr.common.errors import InputError
from pytracking.analysis.comparison import bootstrap_interval
from pytracking.evaluation.data import Sequence, SequenceList
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.running import run_dataset
from pytracking.evaluation.tracker import Tracker
from pytracking.scoring.conventions import Rules, rules_of
from pytracking.scoring.metrics import Curves, score_boxes

FAMILY = (
    *("dimp_lite", "dimp_lite_star", "bgd_dimp_lite"),
    *("bgd_dimp_lite_sm", "bgd_dimp_lite_mm", "bgd_dimp_lite_fm", "rls_dimp_lite", "rls_sd_dimp_lite"),
)
EMA_NAMES = ("_sm", "_mm", "_fm")
UNTRAINED_FAMILY = tuple(name.replace("_lite", "_lite_untrained") for name in FAMILY)
BOX_ESTIMATORS = ("dimp_lite_untrained", "dimp_lite_untrained_ridge", "dimp_lite", "dimp_lite_iounet")
HEADS = (
    *("dimp_lite", "prdimp_lite", "rls_prdimp_lite", "rls_sd_prdimp_lite"),
    *("superdimp_lite", "rls_superdimp_lite", "rls_sd_superdimp_lite"),
)
COMPARED = {"boxes": BOX_ESTIMATORS, "heads": HEADS}  # by task
STEP_GRID = (1e-2, 3e-2, 1e-1, 3e-1, 1.0)
LONG_VIDEO = 500  # frames
SHOWN_SEQUENCES = 12  # in the terminal; more are in the files alone


class SteppedTracker(Tracker):
    """A parameter file with another online step length; its results have a folder of their own."""

    step_length: float

    @property
    def results_dir(self) -> Path:
        return super().results_dir.with_name(f"{super().results_dir.name}_step{self.step_length:g}")

    def get_parameters(self) -> Any:
        return super().get_parameters().replace(online_step_length=self.step_length)  # type: ignore[union-attr]


@dataclass(frozen=True)
class Scores:
    """Scores of one tracker: (runs, sequences) each."""

    auc: np.ndarray
    precision: np.ndarray

    @classmethod
    def of(cls, runs: list[list[Curves]]) -> Self:
        """The area under the success curve, and the share of frames whose center error is at most 20 pixels."""
        return cls(
            np.array([[curves.success.mean() for curves in run] for run in runs]),
            np.array([[curves.precision[20] for curves in run] for run in runs]),
        )


def sequences(dataset_name: str, names: list[str] | None) -> SequenceList:
    dataset = get_dataset(dataset_name)
    if names:
        return dataset[names]
    present = []
    for sequence in dataset:
        try:
            sequence.check()
            present.append(sequence)
        except InputError:
            continue
    if not present:
        raise SystemExit(f"expected sequences of {dataset_name}, found none; set its path in configs/local.toml")
    return SequenceList(present)


def run_and_score(groups: dict[str, list[Tracker]], dataset: SequenceList, threads: int) -> dict[str, Scores]:
    trackers = [tracker for group in groups.values() for tracker in group]
    summary = run_dataset(dataset, trackers, threads=threads)
    if summary.exit_status:
        raise SystemExit(summary.exit_status)
    return {name: score_runs(group, dataset) for name, group in groups.items()}


def score_runs(trackers: list[Tracker], dataset: SequenceList) -> Scores:
    return Scores.of(
        [
            [score(np.loadtxt(tracker.results_dir / f"{sequence.name}.txt", ndmin=2), sequence) for sequence in dataset]
            for tracker in trackers
        ]
    )


def score(boxes: np.ndarray, sequence: Sequence) -> Curves:
    """Boxes (N, 4) scored by the rule that the benchmark has for invalid frames."""
    invalid = rules_of("official", sequence.dataset).invalid
    return score_boxes(boxes, sequence.ground_truth_rect, Rules(invalid=invalid, invalid_norm=invalid))


def rows_of(scores: dict[str, Scores], dataset: SequenceList) -> tuple[list[str], list[list[str]]]:
    long = np.array([len(sequence) >= LONG_VIDEO for sequence in dataset])
    header = ["tracker", "AUC", "precision", f"AUC, {long.sum()} of {LONG_VIDEO}+ frames", *dataset.names]
    rows = []
    for name, score in scores.items():
        mean = score.auc.mean(axis=1)
        spread = f" ± {mean.std(ddof=1):.3f}" if len(mean) > 1 else ""
        long_auc = f"{score.auc[:, long].mean():.3f}" if long.any() else ""
        each = [f"{value:.3f}" for value in score.auc.mean(axis=0)]
        rows.append([name, f"{mean.mean():.3f}{spread}", f"{score.precision.mean():.3f}", long_auc, *each])
    return header, rows


def report(title: str, scores: dict[str, Scores], dataset: SequenceList, folder: Path) -> None:
    header, rows = rows_of(scores, dataset)
    shown = len(header) if len(dataset) <= SHOWN_SEQUENCES else len(header) - len(dataset)
    table = Table(*header[:shown], title=title)
    for row in rows:
        table.add_row(*row[:shown])
    Console(width=max(160, Console().width)).print(table)
    markdown = [header, ["---"] * len(header), *rows]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{title}.md").write_text("".join(f"| {' | '.join(row)} |\n" for row in markdown))
    plain = {name: {"auc": s.auc.tolist(), "precision": s.precision.tolist()} for name, s in scores.items()}
    (folder / f"{title}.json").write_text(json.dumps({"sequences": dataset.names, "scores": plain}, indent=1))
    print(f"written: {folder / title}.md and .json")


def print_differences(scores: dict[str, Scores]) -> None:
    """AUC of every tracker with RLS less that of each other one, as a 95 % bootstrap over sequences of paired means."""
    for (name, own), (other, others) in itertools.permutations(scores.items(), 2):
        if name.startswith("rls"):
            found = bootstrap_interval(own.auc.mean(axis=0) - others.auc.mean(axis=0))
            print(f"{name} - {other}: {found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]")


def tuning_groups(names: tuple[str, ...], runs: range, results: Path) -> dict[str, list[Tracker]]:
    groups: dict[str, list[Tracker]] = {}
    for name in names:
        for step_length in STEP_GRID:
            trackers = []
            for run in runs:
                tracker = SteppedTracker("dimp", name, run, results_path=results)
                tracker.step_length = step_length
                trackers.append(tracker)
            groups[f"{name} {step_length:g}"] = list(trackers)
    return groups


def add_options(parser: argparse.ArgumentParser, runs: int) -> None:
    """What a comparison of trackers on a data set needs to know; `runs` is the default."""
    parser.add_argument("--runs", type=int, default=runs, help=f"seeds of each tracker (default: {runs})")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--dataset_name", default="otb", help="otb or demo (default: otb)")
    parser.add_argument("--sequences", nargs="+", help="sequences of the data set (default: those that are there)")
    parser.add_argument("--results", type=Path, default=Path("results/benchmarks"), help="where results are kept")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("tune", "table", *COMPARED))
    parser.add_argument("--untrained", action="store_true", help="the family without trained heads")
    add_options(parser, runs=3)
    parser.add_argument("--trackers", nargs="+", help="these parameter files instead of all of the task")
    args = parser.parse_args()
    dataset = sequences(args.dataset_name, args.sequences)
    family = UNTRAINED_FAMILY if args.untrained else FAMILY
    if args.task == "tune" and args.trackers:
        parser.error("argument --trackers: expected the task table, boxes or heads, found tune")
    if args.task == "tune":
        compared = tuple(
            name for name in family if name.startswith(("bgd_dimp", "rls_dimp")) and not name.endswith(EMA_NAMES)
        )
        groups = tuning_groups(compared, range(args.runs), args.results)
    else:
        compared = args.trackers or COMPARED.get(args.task, family)
        groups = {
            name: [Tracker("dimp", name, run, results_path=args.results) for run in range(args.runs)]
            for name in compared
        }
    title = f"lite_family_{args.task}_{args.dataset_name}{'_untrained' if args.untrained else ''}"
    scores = run_and_score(groups, dataset, args.threads)
    report(title, scores, dataset, args.results)
    if args.task != "tune":
        print_differences(scores)


if __name__ == "__main__":
    main()
