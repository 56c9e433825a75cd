"""Throughput of two workers with one thread each against one worker with one thread.

    PYTRACKING_OTB_PATH=/data/OTB100 python benchmarks/sweep_throughput.py
    python benchmarks/sweep_throughput.py --dataset_name demo --sequences cat_grass coin_crowd --pairs 3

Both do the same work through the local engine of run_experiment.py: the same tracker on the same sequences, as often as
it takes for every worker to have --jobs jobs. Each pair runs both, in alternating order, so that a change of the
machine's speed touches both. What is measured is jobs per second between the first and the last moment of tracking;
starting the processes and loading the network, once in a sweep, are not counted, but reading images is.
Two hardware threads of one core share its units: there the ratio stays well below 2 however the work is spread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from pytracking.evaluation.data import SequenceList
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.engines.dispatcher import Dispatcher
from pytracking.evaluation.engines.local import LocalEngine
from pytracking.evaluation.jobs import Job, Outcome
from pytracking.evaluation.results import ResultStore
from pytracking.evaluation.tracker import trackerlist

TARGET = 1.8


class Stopwatch:
    """Listener that leaves each worker's first job out: it loads the network."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.first: set[Job] = set()
        self.begin = self.end = 0.0
        self.frames = 0

    def start(self, job: Job) -> None:
        if len(self.first) < self.workers:
            self.first.add(job)

    def frame(self, job: Job, finished: int, total: int) -> None: ...

    def notice(self, text: str) -> None:
        raise SystemExit(f"not a fair measurement: {text}")

    def finish(self, job: Job, outcome: Outcome) -> None:
        if outcome.status != "done":
            raise SystemExit(f"not a fair measurement: {outcome.describe()}")
        self.end = time.perf_counter()
        if job in self.first:
            self.begin = self.end  # of the slower of the first jobs
            self.frames = 0
        else:
            self.frames += outcome.frames


def measure(workers: int, jobs_each: int, parameters: str, sequences: SequenceList) -> float:
    """Frames per second of all workers."""
    with tempfile.TemporaryDirectory() as folder:
        runs = range(1 + (jobs_each + 1) * workers // len(sequences))
        trackers = trackerlist("dimp", parameters, runs, results_path=Path(folder))
        jobs = []
        for tracker in trackers:
            store = ResultStore(tracker)
            store.open()
            jobs += [Job(sequence, tracker, store) for sequence in sequences]
        watch = Stopwatch(workers)
        engine = LocalEngine(workers, torch_threads=1)
        engine.run(Dispatcher([(job,) for job in jobs[: (jobs_each + 1) * workers]], watch))
        return watch.frames / (watch.end - watch.begin)


def siblings() -> bool:
    """Whether the processors that this process may use include two threads of one core."""
    cores = set()
    processors = os.sched_getaffinity(0)
    for processor in processors:
        path = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
        cores.add(path.read_text().strip() if path.exists() else str(processor))
    return len(cores) < len(processors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="measurements of each (default: 3)")
    parser.add_argument("--jobs", type=int, default=6, help="timed jobs of each worker (default: 6)")
    parser.add_argument("--parameters", default="rls_dimp_lite", help="of tracker dimp (default: rls_dimp_lite)")
    parser.add_argument("--dataset_name", default="otb")
    parser.add_argument("--sequences", nargs="+", default=["Crossing"], help="of like length (default: Crossing)")
    parser.add_argument("--output", type=Path, help="JSON file of the numbers")
    args = parser.parse_args()
    sequences = get_dataset(args.dataset_name)[args.sequences]
    pairs: list[dict[str, Any]] = []
    console = Console(highlight=False)
    for number in range(args.pairs):
        order = (1, 2) if number % 2 == 0 else (2, 1)
        fps = {workers: measure(workers, args.jobs, args.parameters, sequences) for workers in order}
        pairs.append({"one": fps[1], "two": fps[2], "ratio": fps[2] / fps[1], "load": os.getloadavg()[0]})
        console.print(f"pair {number + 1}: {fps[1]:.1f} fps with 1 worker, {fps[2]:.1f} with 2: {fps[2] / fps[1]:.2f}")
    ratios = [pair["ratio"] for pair in pairs]
    shared = "the processors share a core" if siblings() else "a core for each processor, says Linux"
    median = statistics.median(ratios)
    console.print(f"median {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f}); wanted {TARGET}; {shared}")
    if args.output:
        environment = {"processors": os.cpu_count(), "shared_cores": siblings(), "machine": platform.platform()}
        args.output.write_text(json.dumps({"pairs": pairs, "median": median, **environment}, indent=1))


if __name__ == "__main__":
    main()
