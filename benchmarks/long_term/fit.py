"""The presence map: a logistic function of the score and of its moving average, fitted to overlaps above 0.5."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from ltr.common.boxes import overlap
from pytracking.analysis.long_term import mean_curve
from pytracking.analysis.presence import presence_curve, read_tracked
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.tracker import Tracker
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.redetection import Presence

RIDGE = 1e-4


class RawScores(Tracker):
    """A parameter file that reports scores as they are; its results have a folder of their own."""

    @property
    def results_dir(self) -> Path:
        return super().results_dir.with_name(f"{super().results_dir.name}_raw")

    def get_parameters(self) -> Any:
        return super().get_parameters().replace(presence_map=None)  # type: ignore[union-attr]


def fit(trackers: list[Tracker], sequences: Iterable[Sequence]) -> dict[str, Any]:
    """Map and threshold: that of the highest F on the same frames. Each run and sequence weighs the same."""
    parts = []
    for tracker in trackers:
        params = tracker.get_parameters()
        for tracked in read_tracked(tracker, sequences):
            overlaps = np.zeros(len(tracked.truth))
            overlaps[tracked.present] = overlap(tracked.boxes[tracked.present], tracked.truth[tracked.present])
            parts.append((evidence(tracked.scores, params)[1:], overlaps[1:], tracked.present[1:]))
    X = np.concatenate([x for x, _, _ in parts])
    y = np.concatenate([overlaps > 0.5 for _, overlaps, _ in parts])
    weight = np.concatenate([np.full(len(x), 1 / len(x) / len(parts)) for x, _, _ in parts])

    def loss(w: np.ndarray) -> float:
        z = X @ w
        return float(weight @ (np.logaddexp(0, z) - y * z) + RIDGE * (w @ w))

    w = minimize(loss, np.zeros(3)).x
    curve = mean_curve([presence_curve(overlaps, expit(x @ w), present) for x, overlaps, present in parts])
    return {
        "presence_map": [round(float(value), 3) for value in w],
        "presence_threshold": round(float(curve.thresholds[curve.best]), 3),
        "F": round(float(curve.f1[curve.best]), 3),
        "log loss": round(loss(w), 4),
        "frames": len(y),
        "share with overlap > 0.5": round(float(weight @ y), 3),
    }


def evidence(scores: np.ndarray, params: DiMPParams) -> np.ndarray:  # (N,) -> (N, 3)
    """What the map is a function of, as `Presence` computes it: 1, the score and its average.

    Reported scores are exactly 0 while the target is lost, and the frame after these is that in which it was found.
    """
    average = Presence(params)
    rows = [(1.0, 1.0, 1.0)]
    for before, score in itertools.pairwise(scores):
        if before == 0 and score != 0:
            average.restart(float(score))
        else:
            average.after(float(score))
        rows.append((1.0, float(score), average.average))
    return np.array(rows)
