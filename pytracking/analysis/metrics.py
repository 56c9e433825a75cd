"""One-pass scores (success and precision) as pure functions on arrays of boxes (x, y, w, h).

The rules are those of the OTB evaluation (Wu, Lim, Yang, PAMI 2015) as the published numbers were computed:
- predictions beyond the last annotated frame are dropped; missing ones repeat the last;
- the prediction of the first frame counts as its ground truth, and is part of the mean;
- boxes are continuous, [x, x + w] x [y, y + h], without an added pixel;
- success(t) is the share of frames with overlap > t, for t = 0, 0.05 ... 1; AUC is the mean of these 21 values;
- precision is the share of frames with a center error <= 20 pixels;
- the score of a data set is the plain mean over its sequences.
Frames whose ground truth has no area or is NaN are misses at every overlap threshold. In the precision they are
hits, misses, or left out altogether, success included, by data set: see `INVALID_FRAMES`.
"""

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import Literal

import numpy as np

InvalidRule = Literal["hit", "miss", "dropped"]

# OTB: the published code gives invalid frames the error -1, so they pass every limit. Demo: its ground truth says
# exactly when the target is absent, and a frame without target says nothing about a box.
INVALID_FRAMES: dict[str, InvalidRule] = {"otb": "hit", "demo": "dropped"}
THRESHOLDS = np.linspace(0, 1, 21)
PRECISION_LIMIT = 20.0  # pixels


@dataclass(frozen=True)
class SequenceScore:
    """Scores of one sequence, or their mean over several, as fractions of 1."""

    frames: int  # counted frames
    success: np.ndarray  # (21,) share of frames with overlap > t, t in THRESHOLDS
    precision: float  # share of frames with a center error <= 20 pixels

    @property
    def auc(self) -> float:
        """Area under the success curve: the mean of its 21 values."""
        return float(self.success.mean())


def overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (N, 4) and others (N, 4), row by row -> (N,); 0 where both have no area."""
    low = np.maximum(boxes[:, :2], others[:, :2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=1)
    union = np.prod(boxes[:, 2:], axis=1) + np.prod(others[:, 2:], axis=1) - intersection
    ratio: np.ndarray = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
    return ratio


def center_error(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance of the centers of boxes (N, 4) and others (N, 4), pixels -> (N,)."""
    difference = boxes[:, :2] + boxes[:, 2:] / 2 - others[:, :2] - others[:, 2:] / 2
    distance: np.ndarray = np.hypot(difference[:, 0], difference[:, 1])
    return distance


def align(predicted: np.ndarray, ground_truth: np.ndarray) -> np.ndarray:
    """Predictions (M, 4) cut or continued to the rows of the ground truth (N, 4), the first replaced -> (N, 4)."""
    if len(predicted) == 0:
        raise ValueError("expected at least one predicted box, found none")
    rows = np.minimum(np.arange(len(ground_truth)), len(predicted) - 1)
    aligned = np.asarray(predicted, dtype=np.float64)[rows]
    aligned[0] = ground_truth[0]
    return aligned


def score_sequence(predicted: np.ndarray, ground_truth: np.ndarray, invalid: InvalidRule = "miss") -> SequenceScore:
    """Score predictions (M, 4) against ground truth (N, 4). Raises ValueError without any frame to count."""
    predicted = align(predicted, ground_truth)
    valid = np.isfinite(ground_truth).all(axis=1) & (ground_truth[:, 2:] > 0).all(axis=1)
    if invalid == "dropped":
        predicted, ground_truth, valid = predicted[valid], ground_truth[valid], valid[valid]
    if len(ground_truth) == 0:
        raise ValueError("expected ground truth with at least one frame to count, found none")
    overlaps = np.where(valid, overlap(predicted, ground_truth), -1.0)
    errors = np.where(valid, center_error(predicted, ground_truth), -1.0 if invalid == "hit" else np.inf)
    success = (overlaps[:, None] > THRESHOLDS).mean(axis=0)
    return SequenceScore(len(ground_truth), success, float((errors <= PRECISION_LIMIT).mean()))


def mean_score(scores: SequenceOf[SequenceScore]) -> SequenceScore:
    """Score of a data set: each sequence counts the same."""
    return SequenceScore(
        sum(score.frames for score in scores),
        np.mean([score.success for score in scores], axis=0),
        float(np.mean([score.precision for score in scores])),
    )
