"""Seconds from the start of a process to its help, and to the first frame of a tracker.

    python benchmarks/start_up.py [dimp dimp_lite] [--runs 5] [--device cpu]

Each run is a process of its own. The first frame is an image of noise in memory, so that no data set is needed; its
time counts imports, the reading of the network, the first frame's crops and the filter learnt from them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
FIRST_FRAME = """
import sys
import numpy as np
from pytracking.evaluation.tracker import Tracker
family, parameters, device = sys.argv[1:]
setup = Tracker(family, parameters, device=device or None)
tracker = setup.start("noise", setup.get_parameters())
image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
tracker.initialize(image, {"init_bbox": [200.0, 150.0, 80.0, 60.0]})
"""


def seconds(command: list[str]) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", nargs="?", default="dimp")
    parser.add_argument("parameters", nargs="?", default="dimp_lite")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="")
    args = parser.parse_args()
    commands = {
        "run_tracker.py --help": ["pytracking/run_tracker.py", "--help"],
        "import torch": ["-c", "import torch"],
        f"first frame of {args.family} {args.parameters}": [
            *("-c", FIRST_FRAME, args.family, args.parameters, args.device)
        ],
    }
    table = Table("process", "median s", "least", "most", "runs")
    for name, command in commands.items():
        seconds(command)  # reads the files from the disk
        times = [seconds(command) for _ in range(args.runs)]
        table.add_row(name, *(f"{value:.2f}" for value in (median(times), min(times), max(times))), str(args.runs))
    Console().print(table)


if __name__ == "__main__":
    main()
