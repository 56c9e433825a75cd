"""Time per frame of the lite trackers, what RLS costs over BGD, and what the guard of updates costs.

    python benchmarks/frame_time.py [--device cpu] [--frames 600] [--output frame_time.json]

Several trackers follow the same rendered video in one process, in random order on every frame, so that the machine's
changes of speed meet all of them. Images are in memory. The trackers with P do all the work of RLS and then take the
step of BGD, so that all have the same boxes and the same number of updates. "Not guarded" is BGD without
`guard_updates`: what its ratio lacks to 1 is what the guard costs. The ratio to BGD is taken over blocks of
20 frames (one scheduled update of the filter each), pair by pair, and its median is quoted: a median over single frames
would not see the updates.
"""

import argparse
import json
import platform
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from ltr.common.image import read_image
from ltr.models.target_classifier.loss import FilterLoss
from ltr.models.target_classifier.online import RLSBatchGradientDescent, RLSSteepestDescent
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.tracker import Tracker
from pytracking.tracker.base import BaseTracker

BLOCK = 20  # frames between two scheduled updates
REFERENCE = "bgd_dimp_lite"
STEP_LENGTH = 0.03  # small enough never to lose the target, so that every scheduled update takes place
VARIANTS: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "not guarded": {"guard_updates": False},
    "rls, low-rank": {"online_optimizer": "rls_bgd"},
    "rls_sd": {"online_optimizer": "rls_sd"},
    "rls_sd, 8 virtual inputs": {"online_optimizer": "rls_sd", "rls_virtual_inputs": 8},
    "rls, dense float16": {"online_optimizer": "rls_bgd", "rls_estimator": "dense", "rls_dtype": "float16"},
    "rls, dense float32": {"online_optimizer": "rls_bgd", "rls_estimator": "dense"},
}


class IdleRLS(RLSBatchGradientDescent):
    """RLS-BGD that computes everything and then takes the step of BGD."""

    def _step(
        self, loss: FilterLoss, weights: Tensor, scores: Tensor, gradient: Tensor, direction: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        return super()._step(loss, weights, scores, gradient, gradient)


class IdleRLSSteepestDescent(RLSSteepestDescent):
    """The same of RLS with the Gauss-Newton step length."""

    def _step(
        self, loss: FilterLoss, weights: Tensor, scores: Tensor, gradient: Tensor, direction: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        moved, moved_scores = super()._step(loss, weights, scores, gradient, gradient)
        assert moved_scores is not None
        ratio = STEP_LENGTH * gradient.norm() / (moved - weights).norm()
        return torch.lerp(weights, moved, ratio), torch.lerp(scores, moved_scores, ratio)


IDLE = {RLSBatchGradientDescent: IdleRLS, RLSSteepestDescent: IdleRLSSteepestDescent}


def make_tracker(changes: dict[str, Any], device: str | None) -> BaseTracker:
    tracker = Tracker("dimp", REFERENCE, device=device)
    return tracker.create_tracker(tracker.get_parameters().replace(online_step_length=STEP_LENGTH, **changes))  # type: ignore[union-attr]


def state_bytes(tracker: Any) -> int:
    """Memory of P."""
    inverse = getattr(tracker.classifier.optimizer, "P", None)
    if inverse is None:
        return 0
    tensors = [value for value in inverse.state_dict().values() if isinstance(value, torch.Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def clock(device: torch.device) -> float:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return perf_counter()


def measure(device: str | None, num_frames: int, sequence_name: str) -> dict[str, Any]:
    sequence = get_dataset("demo")[sequence_name]
    images = [read_image(path) for path in sequence.frames[: num_frames + 1]]
    trackers = {name: make_tracker(changes, device) for name, changes in VARIANTS.items()}
    for tracker in trackers.values():
        tracker.seed(0)
        tracker.initialize(images[0], sequence.init_info())
        optimizer = tracker.classifier.optimizer  # type: ignore[attr-defined]
        if type(optimizer) in IDLE:
            optimizer.__class__ = IDLE[type(optimizer)]
    seconds: dict[str, list[float]] = {name: [] for name in trackers}
    names = list(trackers)
    order = np.random.default_rng(0)
    for image in images[1:]:
        for name in order.permutation(names):
            start = clock(trackers[name].device)
            trackers[name].track(image)
            seconds[name].append(clock(trackers[name].device) - start)
    reference = _blocks(seconds[REFERENCE])
    rows = {
        name: {
            "median_ms": 1e3 * float(np.median(values)),
            "mean_ms": 1e3 * float(np.mean(values)),
            "fps": 1 / float(np.median(values)),
            "ratio_to_bgd": float(np.median(_blocks(values) / reference)),
            "ratio_quartiles": np.percentile(_blocks(values) / reference, [25, 75]).tolist(),
            "inverse_bytes": state_bytes(trackers[name]),
        }
        for name, values in seconds.items()
    }
    machine = {"processor": platform.processor() or platform.machine(), "torch_threads": torch.get_num_threads()}
    device_name = str(next(iter(trackers.values())).device)
    return {"device": device_name, **machine, "torch": torch.__version__, "frames": len(images) - 1, "trackers": rows}


def _blocks(seconds: list[float]) -> np.ndarray:
    whole = len(seconds) // BLOCK * BLOCK
    sums: np.ndarray = np.array(seconds[:whole]).reshape(-1, BLOCK).sum(axis=1)[1:]  # the first block warms up
    return sums


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--sequence", default=None, help="demo sequence (default: the longest)")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    name = args.sequence or max(get_dataset("demo"), key=len).name
    result = measure(args.device, args.frames, name)
    table = Table("tracker", "median ms", "mean ms", "fps", "ratio to BGD", "quartiles", "P, MB")
    for tracker, row in result["trackers"].items():
        quartiles = "{:.3f} {:.3f}".format(*row["ratio_quartiles"])
        numbers = [f"{row['median_ms']:.1f}", f"{row['mean_ms']:.1f}", f"{row['fps']:.1f}"]
        table.add_row(tracker, *numbers, f"{row['ratio_to_bgd']:.3f}", quartiles, f"{row['inverse_bytes'] / 1e6:.2f}")
    Console().print(table)
    print({key: value for key, value in result.items() if key != "trackers"})
    if args.output:
        args.output.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
