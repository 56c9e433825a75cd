"""The RT-MDNet family on the embedded lite model, on real video.

    python benchmarks/rtmdnet_family.py tune     learning rate of simpleRT-MDNet and of RLS-RTMDNet, one grid for both
    python benchmarks/rtmdnet_family.py table    the three lite trackers

Options, sequences and results are those of lite_family.py. A tuned rate is that of the first frame; updates use three
times as much and fc6 ten times, as published.
"""

import argparse
from pathlib import Path
from typing import Any

from lite_family import add_options, report, run_and_score, sequences

from pytracking.evaluation.tracker import Tracker

FAMILY = ("rtmdnet_lite", "simple_rtmdnet_lite", "rls_rtmdnet_lite")
RATE_GRID = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


class RatedTracker(Tracker):
    """A parameter file with another learning rate; its results have a folder of their own."""

    learning_rate: float

    @property
    def results_dir(self) -> Path:
        return super().results_dir.with_name(f"{super().results_dir.name}_rate{self.learning_rate:g}")

    def get_parameters(self) -> Any:
        rates = {"init_learning_rate": self.learning_rate, "update_learning_rate": 3 * self.learning_rate}
        return super().get_parameters().replace(**rates)  # type: ignore[union-attr]


def tuning_groups(runs: range, results: Path) -> dict[str, list[Tracker]]:
    groups: dict[str, list[Tracker]] = {}
    for name in FAMILY[1:]:
        for rate in RATE_GRID:
            trackers = []
            for run in runs:
                tracker = RatedTracker("rtmdnet", name, run, results_path=results)
                tracker.learning_rate = rate
                trackers.append(tracker)
            groups[f"{name} {rate:g}"] = list(trackers)
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("tune", "table"))
    add_options(parser, runs=5)
    args = parser.parse_args()
    dataset = sequences(args.dataset_name, args.sequences)
    if args.task == "tune":
        groups = tuning_groups(range(args.runs), args.results)
    else:
        groups = {
            name: [Tracker("rtmdnet", name, run, results_path=args.results) for run in range(args.runs)]
            for name in FAMILY
        }
    scores = run_and_score(groups, dataset, args.threads)
    report(f"rtmdnet_family_{args.task}_{args.dataset_name}", scores, dataset, args.results)


if __name__ == "__main__":
    main()
