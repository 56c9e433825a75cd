"""What RLS costs in RT-MDNet: time of a frame, form of P, memory over a long video.

    python benchmarks/rtmdnet_cost.py frame      simpleRT-MDNet against RLS-RTMDNet on the lite model, as pairs
    python benchmarks/rtmdnet_cost.py inverse    P of fc4, dense against low-rank, for one iteration of an update
    python benchmarks/rtmdnet_cost.py memory     features, P and the whole process over 5,000 frames

frame: all trackers follow the same rendered video in one process, in random order on every frame, so that the machine's
changes of speed meet all of them. The one with P does all the work of RLS and then takes the step of SGD, so that both
have the same boxes, samples and updates. The ratio is taken over blocks of ten frames (one regular update each).
"""

import argparse
import json
import resource
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from inverse_correlation import drifting
from rich.console import Console
from rich.table import Table

from ltr.common.image import read_image
from ltr.common.types import Image
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.tracker import Tracker
from pytracking.tracker.base import BaseTracker
from pytracking.tracker.rtmdnet import fine_tuning
from rls import RLSSGD, DenseInverseCorrelation, LowRankInverseCorrelation
from rls.base import InverseCorrelation

BLOCK = 10  # frames between two regular updates
DELTA = 5e-4
LAYERS = {"lite, fc4 1369 -> 128": (1369, 128), "VGG-M, fc4 4609 -> 512": (4609, 512)}
UPDATES = 300  # those of the first frame and of 170 further frames


class IdleRLSSGD(RLSSGD):
    """RLS-SGD that computes everything and then takes the step of SGD."""

    @torch.no_grad()
    def precondition(self) -> None:
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        super().precondition()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient


def to_and_fro(sequence_name: str | None) -> tuple[Iterator[Image], list[float]]:
    """Endless frames of a demo sequence (default: the longest), and its first box. Images are in memory."""
    sequences = get_dataset("demo")
    sequence = sequences[sequence_name] if sequence_name else max(sequences, key=len)
    images = [read_image(path) for path in sequence.frames[:300]]

    def frames() -> Iterator[Image]:
        while True:
            yield from images
            yield from reversed(images)

    return frames(), sequence.init_info()["init_bbox"]


def make_tracker(name: str, device: str | None, **changes: Any) -> BaseTracker:
    setup = Tracker("rtmdnet", name, device=device)
    tracker = setup.create_tracker(setup.get_parameters().replace(**changes))  # type: ignore[union-attr]
    tracker.seed(0)
    tracker.initialize_features()
    return tracker


def clock(tracker: BaseTracker) -> float:
    if tracker.device.type != "cpu":
        torch.accelerator.synchronize(tracker.device)
    return perf_counter()


def inverse_bytes(tracker: Any) -> int:
    layers = getattr(tracker.classifier.optimizer, "layers", [])
    states = [layer.inverse_correlation.state_dict() for layer in layers]
    return sum(value.numel() * value.element_size() for s in states for value in s.values() if torch.is_tensor(value))


def measure_frames(args: argparse.Namespace) -> list[dict[str, Any]]:
    fine_tuning.RLSSGD = IdleRLSSGD  # type: ignore[misc]
    variants: dict[str, dict[str, Any]] = {
        "simple": {},
        **{f"rls, at most {rank}": {"online_optimizer": "rls_sgd", "rls_max_rank": rank} for rank in (64, 128, 256)},
        "rls, dense": {"online_optimizer": "rls_sgd", "rls_estimator": "dense"},
    }
    frames, box = to_and_fro(args.sequence)
    image = next(frames)
    trackers, first = {}, {}
    for name, changes in variants.items():
        trackers[name] = tracker = make_tracker("simple_rtmdnet_lite", args.device, **changes)
        start = clock(tracker)
        tracker.initialize(image, {"init_bbox": box})
        first[name] = clock(tracker) - start
    seconds: dict[str, list[float]] = {name: [] for name in trackers}
    order = np.random.default_rng(0)
    for _, image in zip(range(args.frames), frames, strict=False):
        for name in order.permutation(list(trackers)):
            start = clock(trackers[name])
            trackers[name].track(image)
            seconds[name].append(clock(trackers[name]) - start)
    blocks = {name: _blocks(values) for name, values in seconds.items()}
    rows = []
    for name, values in seconds.items():
        ratios = blocks[name] / blocks["simple"]
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        rows.append(
            {
                "tracker": name,
                "first frame s": first[name],
                "median ms": 1e3 * median(values),
                "mean ms": 1e3 * float(np.mean(values)),
                "fps": 1 / float(np.mean(values)),
                "ratio to simple": float(middle),
                "quartiles": f"{low:.3f} {high:.3f}",
                "P, MB": inverse_bytes(trackers[name]) / 1e6,
            }
        )
    return rows


def _blocks(seconds: list[float]) -> np.ndarray:
    whole = len(seconds) // BLOCK * BLOCK
    sums: np.ndarray = np.array(seconds[:whole]).reshape(-1, BLOCK).sum(axis=1)[1:]  # the first block warms up
    return sums


def measure_inverse(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Median time of one update of P and of gradient times P, all forms in turn."""
    rows = []
    device = torch.device(args.device or "cpu")
    for layer, (dim, out_features) in LAYERS.items():
        forms: dict[str, InverseCorrelation] = {
            f"low-rank, at most {rank}": LowRankInverseCorrelation(dim, DELTA, max_rank=rank, device=device)
            for rank in (64, 128, 256)
        }
        forms["dense"] = DenseInverseCorrelation(dim, DELTA, device=device)
        gradient = torch.randn(out_features, dim, device=device)
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in forms}
        # Every dense update takes as long as the first one, while the low-rank form slows down to its bound.
        for number, x in enumerate(drifting(UPDATES, dim, device).relu()):
            for name, P in forms.items():
                if name != "dense" or number < 20:
                    seconds[name].append((_timed(partial(P.update, x)), _timed(partial(P.apply, gradient))))
        for name, times in seconds.items():
            # Medians of stretches, so that a busy machine is not measured; their mean, because the rank grows.
            stretches = [np.median(times[start : start + 20], axis=0) for start in range(0, len(times), 20)]
            update, apply = 1e3 * np.mean(stretches, axis=0)
            state = [value for value in forms[name].state_dict().values() if torch.is_tensor(value)]
            size = sum(value.numel() * value.element_size() for value in state) / 1e6
            row = {
                "layer": layer,
                "form": name,
                "update ms": float(update),
                "gradient times P ms": float(apply),
                "sum ms": float(update + apply),
            }
            rows.append({**row, "MB": size})
    return rows


def _timed(action: Callable[[], Any]) -> float:
    start = perf_counter()
    action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter() - start


def measure_memory(args: argparse.Namespace) -> list[dict[str, Any]]:
    frames, box = to_and_fro(args.sequence)
    tracker: Any = make_tracker("rls_rtmdnet_lite", args.device)
    tracker.initialize(next(frames), {"init_bbox": box})
    rows = []
    step = max(args.frames // 10, 1)
    for number, image in zip(range(1, args.frames + 1), frames, strict=False):
        tracker.track(image)
        if number % step == 0 or number == 50:
            rows.append(
                {
                    "frame": number,
                    "frames stored": len(tracker.memory),
                    "features, MB": tracker.memory.num_bytes / 1e6,
                    "P, MB": inverse_bytes(tracker) / 1e6,
                    "process now, MB": _resident_megabytes(),
                    "process at most, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                }
            )
    return rows


def _resident_megabytes() -> float:
    """Memory of the process at this moment; not a number where the system does not tell."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6 if status.exists() else float("nan")


MEASURES = {"frame": (measure_frames, 300), "inverse": (measure_inverse, 0), "memory": (measure_memory, 5000)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=tuple(MEASURES))
    parser.add_argument("--device")
    parser.add_argument("--frames", type=int, help="default: 300, or 5000 for memory")
    parser.add_argument("--sequence", help="demo sequence (default: the longest)")
    parser.add_argument("--output", type=Path, help="also write the rows as JSON")
    args = parser.parse_args()
    measure, frames = MEASURES[args.task]
    args.frames = args.frames or frames
    rows = measure(args)
    table = Table(*rows[0], title=f"{args.task}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for row in rows:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=140).print(table)
    if args.output:
        args.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
