"""Throughput of runs in lock-step against single runs of the same tracker.

    python benchmarks/batch_runs.py [--device cuda] [--runs 1 5 10 20] [--parameters dimp_lite rls_dimp_lite]
        [--frames 200] [--torch-threads 2] [--images files | memory] [--output batch_runs.json]

The batch and a single run take turns on blocks of 20 frames (one scheduled update of the filter each), so that the
machine's changes of speed meet both. A frame is read, decoded and tracked: once for all runs of the batch, once for
each single run; with `--images memory` it is tracked only. Quoted are the medians over the blocks of the frames per
second of all runs together, and of the ratio of each pair of blocks. The first block, with the first frame, warms up.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from ltr.admin.provenance import describe_environment
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.engines.local import limit_threads
from pytracking.evaluation.tracker import Tracker, clock, trackerlist
from pytracking.tracker.base.lockstep import LockstepTracker, run_together
from pytracking.utils.image import read_image
from pytracking.utils.types import Image

BLOCK = 20  # frames between two scheduled updates


def start(tracker: Tracker, sequence: Sequence) -> LockstepTracker:
    started = tracker.start(sequence.name, tracker.get_parameters())
    if not isinstance(started, LockstepTracker):
        raise SystemExit(f"{tracker.name} cannot run in lock-step")
    return started


def measure(
    parameters: str, runs: int, sequence: Sequence, frames: int, device: str | None, in_memory: bool
) -> dict[str, Any]:
    """Seconds per frame and run of a batch of `runs` and of a single run, block by block, and their ratio."""
    batch = [start(tracker, sequence) for tracker in trackerlist("dimp", parameters, range(runs), device=device)]
    single = start(Tracker("dimp", parameters, 0, device=device), sequence)
    paths = sequence.frames[: frames // BLOCK * BLOCK]
    stored = {path: read_image(path) for path in paths} if in_memory else {}
    read: Callable[[Path], Image] = stored.__getitem__ if in_memory else read_image

    def block(trackers: list[LockstepTracker], number: int) -> float:
        begin = clock(trackers[0])
        for index in range(number * BLOCK, (number + 1) * BLOCK):
            image = read(paths[index])
            if index == 0:
                steps = [tracker.initialize_steps(image, sequence.init_info()) for tracker in trackers]
            else:
                steps = [tracker.track_steps(image) for tracker in trackers]
            for end in run_together(steps):
                if isinstance(end, Exception):
                    raise end
        return (clock(trackers[0]) - begin) / (BLOCK * len(trackers))

    pairs = [(block(batch, number), block([single], number)) for number in range(len(paths) // BLOCK)][1:]
    together, alone = zip(*pairs, strict=True)
    ratios = [one / shared for shared, one in pairs]
    row: dict[str, Any] = {"parameters": parameters, "runs": runs, "blocks": len(pairs)}
    row |= {"batch_fps": 1 / statistics.median(together), "single_fps": 1 / statistics.median(alone)}
    row |= {"ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)]}
    if torch.cuda.is_available() and batch[0].device.type == "cuda":
        row["peak_memory"] = torch.cuda.max_memory_allocated(batch[0].device)
        torch.cuda.reset_peak_memory_stats(batch[0].device)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: the first GPU where there is one)")
    parser.add_argument("--parameters", nargs="+", default=["dimp_lite", "rls_dimp_lite"])
    parser.add_argument("--runs", nargs="+", type=int, default=[1, 5, 10, 20])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--torch-threads", type=int)
    parser.add_argument("--images", choices=("files", "memory"), default="files")
    parser.add_argument("--sequence", help="demo sequence (default: the longest)")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    if args.torch_threads:
        limit_threads(args.torch_threads)
    sequences = get_dataset("demo")
    sequence = sequences[args.sequence] if args.sequence else max(sequences, key=len)
    if min(args.frames, len(sequence)) < 2 * BLOCK:
        parser.error(f"expected at least {2 * BLOCK} frames, found {min(args.frames, len(sequence))}")
    rows = [
        measure(parameters, runs, sequence, min(args.frames, len(sequence)), args.device, args.images == "memory")
        for parameters in args.parameters
        for runs in args.runs
    ]
    table = Table("parameters", "runs", "fps together", "fps alone", "ratio", "range")
    for row in rows:
        span = "{:.2f} {:.2f}".format(*row["ratio_range"])
        fps = (f"{row['batch_fps']:.1f}", f"{row['single_fps']:.1f}")
        table.add_row(row["parameters"], str(row["runs"]), *fps, f"{row['ratio']:.2f}", span)
    Console().print(table)
    result = {"environment": describe_environment(args.device), "images": args.images, "rows": rows}
    result |= {"sequence": sequence.name, "frames": min(args.frames, len(sequence))}
    print({name: result["environment"][name] for name in ("device", "device_name", "processor", "torch_threads")})
    if args.output:
        args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
