"""What P does to the gradient of the target filter, measured while RLS-DiMP tracks real video.

    python benchmarks/rls_diagnosis.py [--sequences Dog1 Football1] [--parameter_name rls_dimp_lite]

For every online step it records how much of the gradient g passes through P relative to P_0 = I / delta, the share
|delta g P| / |g| (1: nothing is held back, P acts as the plain step eta / delta), and the share of |g|^2 that lies in
the span of all virtual inputs so far (what RLS can hold back at all). Needs OTB sequences under otb_path.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from ltr.common.image import read_image
from ltr.models.target_classifier.loss import FilterLoss
from ltr.models.target_classifier.online import RLSBatchGradientDescent
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.tracker import Tracker


class RecordingRLS(RLSBatchGradientDescent):
    """RLS-BGD that notes what P does to each gradient."""

    passed: list[float]
    inside: list[float]

    def _step(
        self, loss: FilterLoss, weights: Tensor, scores: Tensor, gradient: Tensor, direction: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        norm = gradient.norm()
        inverse: Any = self.P
        self.passed.append(float(self.preconditioner.delta * direction.norm() / norm))
        self.inside.append(float((inverse.basis @ gradient.flatten() / norm).square().sum()))
        return super()._step(loss, weights, scores, gradient, direction)


def diagnose(sequence: Sequence, parameter_name: str) -> dict[str, Any]:
    setup = Tracker("dimp", parameter_name)
    tracker: Any = setup.create_tracker(setup.get_parameters())
    tracker.seed(setup.sequence_seed(sequence.name))
    tracker.initialize(read_image(sequence.frames[0]), sequence.init_info())
    optimizer = tracker.classifier.optimizer
    optimizer.__class__ = RecordingRLS
    optimizer.passed, optimizer.inside = [], []
    for path in sequence.frames[1:]:
        tracker.track(read_image(path))
    return {
        "updates": optimizer.preconditioner.num_updates,
        "rank": optimizer.P.rank if optimizer.P is not None else 0,
        "passed": optimizer.passed,
        "inside": optimizer.inside,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", nargs="+", default=["Dog1", "Football1"])
    parser.add_argument("--parameter_name", default="rls_dimp_lite")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    found = {s.name: diagnose(s, args.parameter_name) for s in get_dataset("otb")[args.sequences]}
    table = Table("sequence", "updates", "rank of P", "passed: first update", "median", "last", "inside span: median")
    for name, record in found.items():
        passed = record["passed"] or [float("nan")]
        shares = f"{passed[0]:.3f}", f"{np.median(passed):.3f}", f"{passed[-1]:.3f}"
        inside = float(np.median(record["inside"] or [float("nan")]))
        table.add_row(name, str(record["updates"]), str(record["rank"]), *shares, f"{inside:.3f}")
    Console().print(table)
    print(f"torch {torch.__version__}")
    if args.output:
        args.output.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
