"""Runs without re-detection and with it that differ by nothing else."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pytracking.analysis.long_term import has_absent_frames
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.tracker import Tracker
from pytracking.scoring.conventions import Rules
from pytracking.scoring.metrics import score_boxes

TRACKERS = ("dimp_lite", "bgd_dimp_lite", "rls_dimp_lite", "rls_sd_dimp_lite")  # each has a file of its name and `_lt`
CHANGED = ("redetection", "presence")  # how the names of the parameters begin that an `_lt` file changes


@dataclass(frozen=True)
class Pair:
    """One run of a tracker without re-detection and with it."""

    without: Tracker
    with_it: Tracker

    @classmethod
    def of(cls, name: str, run: int, results: Path) -> "Pair":
        """Both from the file without it, since the random numbers are those of a parameter file."""
        without = Tracker("dimp", name, run, results_path=results)
        short, long = vars(without.get_parameters()), vars(Tracker("dimp", f"{name}_lt").get_parameters())
        changes = {key: long[key] for key in long if key.startswith(CHANGED) and long[key] != short[key]}
        return cls(without, Tracker("dimp", name, run, results_path=results, overrides=changes, label="lt"))

    def loses(self, sequence: Sequence) -> bool:
        """Whether the run without re-detection counts the target as lost, so that the other one would look for it."""
        flags = (self.without.results_dir / f"{sequence.name}_flags.txt").read_text().split()
        missed = [len(list(frames)) for flag, frames in itertools.groupby(flags) if flag == "not_found"]
        return max(missed, default=0) >= self.with_it.get_parameters().redetection_patience  # type: ignore[union-attr]

    def auc(self, sequence: Sequence) -> tuple[float, float]:
        """Without and with it, on frames with the target."""
        present = sequence.target_visible & np.isfinite(sequence.ground_truth_rect).all(axis=1)
        runs = (self.without, self.with_it if self.loses(sequence) else self.without)
        boxes = [np.loadtxt(run.results_dir / f"{sequence.name}.txt", ndmin=2) for run in runs]
        truth = sequence.ground_truth_rect[present]
        before, after = (float(score_boxes(tracked[present], truth, Rules()).success.mean()) for tracked in boxes)
        return before, after


def is_ready(pair: Pair, sequence: Sequence) -> bool:
    """Whether both runs of a pair that are needed are there."""
    boxes = [run.results_dir / f"{sequence.name}.txt" for run in (pair.without, pair.with_it)]
    if not boxes[0].exists():
        return False
    return boxes[1].exists() or not (has_absent_frames(sequence) or pair.loses(sequence))
