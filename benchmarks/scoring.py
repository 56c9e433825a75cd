"""Time and memory of scoring a whole benchmark from result files.

    python benchmarks/scoring.py                      280 LaSOT-sized sequences, 8 trackers, 20 runs
    python benchmarks/scoring.py --trackers 1 --runs 2

The files (3.9 GB for the whole) are made below --folder at first, and kept there unless --remove is given: random
walks, with decimals of their own in every run. Scoring runs on --cores cores, in a process of its own; a first time
without a cache, then with it. Reading from disk counts: files that the system still holds in memory are read faster,
so the first number after another program used the memory is the slower one.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pytracking.analysis.evaluation import evaluate
from pytracking.analysis.run_scores import ScoringOptions
from pytracking.evaluation import Sequence, Tracker

SEQUENCES, FRAMES = 280, 685_360  # of LaSOT's test split
LIMIT_SECONDS, LIMIT_BYTES = 60, 2 * 2**30


def sequence_lengths(sequences: int) -> np.ndarray:
    """Lengths between 1000 and 12000 frames that sum up to LaSOT's frames for 280 sequences."""
    shape = np.random.default_rng(0).lognormal(0, 0.45, SEQUENCES)
    lengths = np.maximum(1000, shape * FRAMES / shape.sum()).astype(int)
    lengths[-1] += FRAMES - lengths.sum()
    return lengths[:sequences]


def ground_truth(index: int, length: int) -> np.ndarray:
    """Random walk of a box, a twentieth of its frames flagged with size 0."""
    rng = np.random.default_rng(index)
    boxes = np.array([300.0, 200, 80, 60]) + rng.normal(0, 2, (length, 4)).cumsum(axis=0)
    boxes = np.round(np.abs(boxes) + 20)
    boxes[rng.random(length) < 0.05, 2:] = 0
    boxes[0] = (300, 200, 80, 60)
    return boxes


def sequences_of(lengths: np.ndarray) -> list[Sequence]:
    sequences = []
    for index, length in enumerate(lengths):
        boxes, frames = ground_truth(index, length), [Path("unused.jpg")] * length
        visible = boxes[:, 2] > 0
        name = f"synthetic-{index}"
        sequences.append(Sequence(name, frames, "lasot", boxes, target_visible=visible, pixel_origin=1))
    return sequences


def trackers_of(folder: Path, trackers: int, runs: int) -> list[Tracker]:
    return [Tracker("synthetic", f"t{t}", run, results_path=folder) for t in range(trackers) for run in range(runs)]


def write_results(folder: Path, lengths: np.ndarray, trackers: int, runs: int) -> None:
    """Files as `ResultStore.save` writes them: four decimals, tabs, and a record with the speed."""
    for t in range(trackers):
        folders = [tracker.results_dir for tracker in trackers_of(folder, trackers, runs)[t * runs : (t + 1) * runs]]
        for run_folder in folders:
            run_folder.mkdir(parents=True, exist_ok=True)
        for index, length in enumerate(lengths):
            rng = np.random.default_rng((index, t))
            boxes = ground_truth(index, length) + rng.normal(0, 6, (length, 4))
            boxes[:, 2:] = np.abs(boxes[:, 2:]) + 5
            text = "".join("\t".join(f"{value:.4f}" for value in box) + "\n" for box in boxes).encode()
            content = np.frombuffer(text, dtype=np.uint8).copy()
            points = np.flatnonzero(content == ord("."))
            for run, run_folder in enumerate(folders):
                for digit in (1, 2, 3, 4):
                    content[points + digit] = rng.integers(ord("0"), ord("9") + 1, len(points), dtype=np.uint8)
                name = f"synthetic-{index}"
                (run_folder / f"{name}.txt").write_bytes(content.tobytes())
                (run_folder / f"{name}_info.json").write_text(json.dumps({"fps": 30 + t + run / 10, "seed": run}))


def measure(folder: Path, lengths: np.ndarray, args: argparse.Namespace) -> dict[str, float]:
    """Score twice in this process, confined to the chosen cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    dataset, trackers = sequences_of(lengths), trackers_of(folder, args.trackers, args.runs)
    options = ScoringOptions(cache=folder / "cache")
    measured: dict[str, float] = {}
    for name in ("first", "cached"):
        start, cpu = time.perf_counter(), cpu_seconds()
        evaluation = evaluate(trackers, dataset, options=options)
        measured[f"{name}_seconds"] = time.perf_counter() - start
        measured[f"{name}_cpu_seconds"] = cpu_seconds() - cpu
        measured["auc"] = float(np.mean([tracker.mean(tracker.auc) for tracker in evaluation.trackers]))
    own, largest_child = (usage.ru_maxrss * 1024 for usage in usages())
    measured["peak_bytes"] = own + args.cores * largest_child
    return measured


def cpu_seconds() -> float:
    return sum(usage.ru_utime + usage.ru_stime for usage in usages())


def usages() -> list[resource.struct_rusage]:
    """Of this process, and of those that it started and that have ended."""
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=SEQUENCES)
    parser.add_argument("--trackers", type=int, default=8)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "scoring_benchmark")
    parser.add_argument("--remove", action="store_true", help="delete the files afterwards")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # the process that is measured
    args = parser.parse_args()
    lengths = sequence_lengths(args.sequences)
    folder = args.folder / f"{args.sequences}x{args.trackers}x{args.runs}"
    if args.measure:
        print(json.dumps(measure(folder, lengths, args)))
        return 0
    if not (folder / "complete").exists():
        print(f"writing result files to {folder} ...", flush=True)
        write_results(folder, lengths, args.trackers, args.runs)
        (folder / "complete").touch()
    shutil.rmtree(folder / "cache", ignore_errors=True)
    output = subprocess.run([sys.executable, *sys.argv, "--measure"], check=True, stdout=subprocess.PIPE).stdout
    result = json.loads(output)
    if args.remove:
        shutil.rmtree(folder)
    rows = args.trackers * args.runs * int(lengths.sum())
    print(
        f"{args.sequences} sequences x {args.trackers} trackers x {args.runs} runs, {rows / 1e6:.1f} million boxes, "
        f"{args.cores} cores\n"
        f"first:  {result['first_seconds']:.1f} s ({result['first_cpu_seconds']:.1f} s of processor time)\n"
        f"cached: {result['cached_seconds']:.1f} s ({result['cached_cpu_seconds']:.1f} s of processor time)\n"
        f"memory: {result['peak_bytes'] / 2**20:.0f} MiB, all processes together\n"
        f"limits: {LIMIT_SECONDS} s, {LIMIT_BYTES / 2**20:.0f} MiB"
    )
    return int(result["first_seconds"] > LIMIT_SECONDS or result["peak_bytes"] > LIMIT_BYTES)


if __name__ == "__main__":
    sys.exit(main())
