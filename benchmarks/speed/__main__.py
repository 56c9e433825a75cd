"""Speed of a DiMP tracker, stage by stage, against the same tracker with its network in plain eager PyTorch.

    python benchmarks/speed dimp_lite
    python benchmarks/speed rls_dimp50 --architecture dimpnet50          random weights: the time is the same
    python benchmarks/speed rls_dimp50 --device cuda --images files --network-dtype float16 --output speed.json

The two forms have the same weights and take turns on blocks of 20 frames (one scheduled update of the filter each), in
random order, so that the machine's changes of speed meet both; the first block, with the first frame, warms up. Every
other block is timed as a whole, which gives fps and the ratio of the pairs; the others are timed stage by stage, on a
GPU with a synchronization at every border. Quoted are medians over frames or pairs, and means for the stages.

Images are in memory, or are read from their files, one ahead in a thread but for the plain form. Operations are those
of products and convolutions, bytes what every operator of the plain form reads and writes; beside the time they stand
as shares of what a large matrix product and a large copy reach on this machine. A share above 1 is work that the fast
form saves: by the method of its convolutions, or by keeping numbers in the cache.
"""

from __future__ import annotations

import argparse
import copy
import json
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from machine import WorkCounter, ceilings, synchronize
from rich.console import Console
from rich.table import Table
from stages import OTHER, STAGES, StageClock, watched

from ltr.common.image import read_image
from ltr.common.provenance import describe_environment
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.engines.local import limit_threads
from pytracking.evaluation.prefetch import ReadAhead
from pytracking.evaluation.tracker import Tracker
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.utils.memory import PeakMemory

BLOCK = 20
# Random weights see a distractor in every frame, and learning from all of them magnifies rounding errors of the
# filter a hundred thousand times within 25 frames; their IoU-Net would lead the box anywhere. So every frame counts
# as an ordinary one, with its scheduled updates, and the box keeps its size: the work is that of a trained network.
RANDOM_WEIGHTS: dict[str, Any] = {"advanced_localization": False, "box_refinement_step_length": 1e-3}


@dataclass
class Form:
    """One of the two forms of the tracker, with what was measured of it."""

    name: str
    tracker: Any
    clock: StageClock
    boxes: list[list[float]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    frame_seconds: list[float] = field(default_factory=list)  # of the blocks timed as a whole
    block_seconds: list[float] = field(default_factory=list)  # with the reading of images

    @property
    def is_plain(self) -> bool:
        return self.name == "plain"


def make_forms(args: argparse.Namespace, device: torch.device) -> list[Form]:
    tracker = Tracker("dimp", args.parameters, device=str(device))
    params: Any = tracker.get_parameters()
    if args.architecture:
        params = params.replace(net=NetWithBackbone(architecture=args.architecture), **RANDOM_WEIGHTS)
    forms = []
    for name in args.forms:
        dtype = "float32" if name == "plain" else args.network_dtype
        made = tracker.create_tracker(params.replace(net=copy.copy(params.net), network_form=name, network_dtype=dtype))
        torch.manual_seed(0)  # of random weights
        made.initialize_features()
        made.seed(0)
        forms.append(Form(name, made, StageClock(device)))
    return forms


def run_block(
    form: Form, paths: list[Path], stored: dict[Path, Any], info: dict[str, Any] | None, staged: bool
) -> None:
    """Track through the frames of a block; `info` starts the first one."""
    device, clock = form.clock.device, form.clock
    with ExitStack() as stack:
        if staged:
            stack.enter_context(watched(clock))
        ahead = None if stored or form.is_plain else stack.enter_context(ReadAhead(paths))
        begin = perf_counter()
        for path in paths:
            clock.begin_frame()
            with clock.stage("decode"):
                image = stored[path] if stored else read_image(path) if ahead is None else next(ahead)
            start = perf_counter()
            with clock.stage(OTHER) if staged else nullcontext():
                result = form.tracker.track(image) if info is None else form.tracker.initialize(image, info)
            synchronize(device)
            if not staged:
                form.frame_seconds.append(perf_counter() - start)
                clock.frames.pop()
            info = None
            form.boxes.append([float(value) for value in result["target_bbox"]])
            form.flags.append(result["flag"])
        if not staged:
            form.block_seconds.append(perf_counter() - begin)


def measure(args: argparse.Namespace, sequence: Sequence, device: torch.device) -> dict[str, Any]:
    memory = PeakMemory(device)
    forms = make_forms(args, device)
    paths = [Path(path) for path in sequence.frames[: args.frames // BLOCK * BLOCK]]
    stored = {path: read_image(path) for path in paths} if args.images == "memory" else {}
    order = np.random.default_rng(0)
    for number, start in enumerate(range(0, len(paths), BLOCK)):
        for form in order.permutation(np.array(forms, dtype=object)):
            info = sequence.init_info() if number == 0 else None
            run_block(form, paths[start : start + BLOCK], stored, info, staged=number > 0 and number % 2 == 0)
        if number == 0:
            for form in forms:
                form.frame_seconds.clear()
                form.block_seconds.clear()
    peak = memory.bytes()
    work = count_work(next((form for form in forms if form.is_plain), None), paths[-BLOCK:])
    return {
        "environment": describe_environment(str(device)),
        "parameters": args.parameters,
        "architecture": args.architecture,
        "network_dtype": args.network_dtype,
        "sequence": sequence.name,
        "frames": len(paths),
        "images": args.images,
        "peak_memory_bytes": peak,
        "decode_ms": 1e3 * decode_seconds(paths[:BLOCK]),
        "ceilings": ceilings(device),
        "work_per_frame": work,
        "forms": {form.name: summary(form, forms) for form in forms},
    }


def decode_seconds(paths: list[Path]) -> float:
    seconds = []
    for path in paths:
        start = perf_counter()
        read_image(path)
        seconds.append(perf_counter() - start)
    return float(np.median(seconds))


def count_work(form: Form | None, paths: list[Path]) -> dict[str, dict[str, float]]:
    """Operations and bytes of every stage of the plain form, per frame of a block."""
    if form is None:
        return {}
    counter = WorkCounter(lambda: form.clock.current)
    with watched(form.clock), counter:
        for path in paths:
            form.clock.begin_frame()
            form.tracker.track(read_image(path))
            form.clock.frames.pop()
    share = 1 / len(paths)
    return {
        stage: {"flops": counter.flops[stage] * share, "bytes": counter.bytes[stage] * share} for stage in counter.bytes
    }


def summary(form: Form, forms: list[Form]) -> dict[str, Any]:
    plain = next((other for other in forms if other.is_plain), form)
    frames = form.clock.frames
    ratios = np.array(plain.block_seconds) / np.array(form.block_seconds)
    used = [stage for stage in (*STAGES, OTHER) if any(frame.get(stage) for frame in frames)]
    return {
        "fps": 1 / float(np.median(form.frame_seconds)),
        "fps_with_reading": BLOCK / float(np.median(form.block_seconds)),
        "median_ms": 1e3 * float(np.median(form.frame_seconds)),
        "speedup": float(np.median(ratios)),
        "speedup_quartiles": np.percentile(ratios, [25, 75]).tolist(),
        "stages_ms": {stage: 1e3 * float(np.mean([frame.get(stage, 0.0) for frame in frames])) for stage in used},
        "largest_box_difference": float(np.abs(np.array(form.boxes) - np.array(plain.boxes)).max()),
        "flags": {flag: form.flags.count(flag) for flag in sorted(set(form.flags))},
    }


def show(result: dict[str, Any], console: Console) -> None:
    forms, work, limits = result["forms"], result["work_per_frame"], result["ceilings"]
    table = Table("stage", *(f"{name}, ms" for name in forms), "MFLOP", "MB", "of GEMM", "of copy")
    first = next(iter(forms.values()))
    for stage in (*STAGES, OTHER):
        times = [form["stages_ms"].get(stage) for form in forms.values()]
        if not any(times):
            continue
        row = [stage, *("" if time is None else f"{time:.2f}" for time in times)]
        if stage in work and first["stages_ms"].get(stage):
            flops, moved, seconds = work[stage]["flops"], work[stage]["bytes"], first["stages_ms"][stage] / 1e3
            shares = (flops / seconds / limits["gemm_float32_flops"], moved / seconds / limits["stream_bytes"])
            row += [f"{flops / 1e6:.0f}", f"{moved / 1e6:.1f}", *(f"{share:.2f}" for share in shares)]
        table.add_row(*row)
    console.print(table)
    for name, form in forms.items():
        low, high = form["speedup_quartiles"]
        speed = f"{form['fps']:.1f} fps, {form['fps_with_reading']:.1f} with reading"
        ratio = f"{form['speedup']:.2f} x plain (quartiles {low:.2f} to {high:.2f})"
        boxes = f"boxes differ by {form['largest_box_difference']:.2g} px at most"
        console.print(f"{name}: {speed}; {ratio}; {boxes}; {form['flags']}")
    console.print(
        f"peak memory {(result['peak_memory_bytes'] or 0) / 2**20:.0f} MiB, all forms in one process; "
        f"ceilings {limits['gemm_float32_flops'] / 1e9:.0f} GFLOP/s, {limits['stream_bytes'] / 1e9:.1f} GB/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parameters", help="parameter file of the tracker dimp, e.g. dimp_lite")
    parser.add_argument("--architecture", help="network with random weights in place of the parameter file's")
    parser.add_argument("--network-dtype", default="float32", help="of the fast form: float32, bfloat16, float16")
    parser.add_argument("--forms", nargs="+", default=["fast", "plain"], choices=["fast", "plain"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--torch-threads", type=int, help="default: what PyTorch chooses")
    parser.add_argument("--images", choices=["memory", "files"], default="memory")
    parser.add_argument("--dataset_name", default="demo")
    parser.add_argument("--sequence", help="default: the longest")
    parser.add_argument("--frames", type=int, default=400, help="a multiple of 20, at least 60 (default: 400)")
    parser.add_argument("--output", type=Path, help="JSON file of the figures")
    args = parser.parse_args()
    if args.torch_threads:
        limit_threads(args.torch_threads)
    dataset = get_dataset(args.dataset_name)
    sequence = dataset[args.sequence] if args.sequence else max(dataset, key=len)
    result = measure(args, sequence, torch.device(args.device))
    show(result, Console(highlight=False, width=120))
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
