"""Tracks slowly, to be interrupted: `python -m tests.pytracking.dummy.interruptible FOLDER THREADS`."""

import signal
import sys
from pathlib import Path

from ltr.common.errors import exit_status
from pytracking.evaluation import Sequence
from pytracking.evaluation.running import run_dataset
from tests.pytracking.dummy import DummyTracker, make_sequence


def main(folder: Path, threads: int) -> int:
    lengths = (5, 400, 400, 400)
    sequences: list[Sequence] = [make_sequence(folder, f"s{i}", count) for i, count in enumerate(lengths)]
    tracker = DummyTracker("wander", "slow", results_path=folder / "results")
    return run_dataset(sequences, [tracker], threads=threads).exit_status


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits the signal ignored
    sys.exit(exit_status(lambda: main(Path(sys.argv[1]), int(sys.argv[2]))))
