"""A run to be killed or doubled: `python -m tests.pytracking.dummy.driver FOLDER WORKERS`.

It prints a line for each finished sequence, with the process that ran this program first.
"""

import os
import sys
from pathlib import Path

from rich.console import Console

from ltr.common.errors import exit_status
from pytracking.evaluation.engines.local import LocalEngine
from pytracking.evaluation.engines.serial import SerialEngine
from pytracking.evaluation.planning import Part
from pytracking.evaluation.running import run_parts
from tests.pytracking.dummy import DummyTracker, make_sequence

SEQUENCES, FRAMES = 6, 25  # at 20 ms a frame


def parts(folder: Path, results: str = "results") -> list[Part]:
    """The same work each time."""
    sequences = [make_sequence(folder / "data", f"s{number}", FRAMES) for number in range(SEQUENCES)]
    return [Part([DummyTracker("wander", "slow", 0, results_path=folder / results)], sequences)]


def main(folder: Path, workers: int) -> int:
    """Run it, and print what happens to the standard output."""
    print(f"process {os.getpid()}", flush=True)
    engine = LocalEngine(workers, torch_threads=1) if workers else SerialEngine()
    return run_parts(parts(folder), engine, console=Console(file=sys.stdout, width=200)).exit_status


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(Path(sys.argv[1]), int(sys.argv[2]))))
