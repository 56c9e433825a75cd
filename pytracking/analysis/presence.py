"""Precision, recall and F1 of trackers that say how sure they are of the target.

A frame is reported where its presence score is at least a threshold. Precision is the mean overlap of the reported
frames, recall the overlap of the reported frames summed and divided by the frames with a target; an absent target
has overlap 0. F1 is their harmonic mean at the best threshold, over the frames of all sequences together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ltr.common.boxes import overlap
from ltr.common.errors import InputError
from ltr.common.types import Array
from pytracking.analysis.result_files import ResultSource, load_boxes, parse_column
from pytracking.evaluation.data import Sequence
from pytracking.scoring.conventions import Rules
from pytracking.scoring.metrics import fit_rows, valid_frames
from pytracking.scoring.rows import row_numbers, row_offsets
from pytracking.scoring.truth import check_ground_truth


@dataclass(frozen=True)
class PresenceCurve:
    """Precision and recall at each of the K distinct scores, from the highest down."""

    thresholds: Array  # (K,)
    precision: Array  # (K,)
    recall: Array  # (K,)

    @property
    def f1(self) -> Array:
        """Harmonic means of precision and recall, (K,); 0 where both are 0."""
        total = self.precision + self.recall
        return np.asarray(np.divide(2 * self.precision * self.recall, total, np.zeros_like(total), where=total > 0))

    @property
    def best(self) -> int:
        """Position of the highest F1, the highest threshold of equal ones."""
        return int(self.f1.argmax())


@dataclass(frozen=True)
class Tracked:
    """One sequence as tracked: boxes brought to the rows of the ground truth."""

    boxes: Array  # (N, 4)
    scores: Array  # (N,) presence scores, 1 where the tracker reports none
    truth: Array  # (N, 4)
    present: Array  # (N,) bool
    annotated: Array  # (N,) bool


def presence_curve(overlaps: Array, scores: Array, present: Array) -> PresenceCurve:
    """Precision and recall of frames with overlaps (N,), presence scores (N,) and present targets (N,) bool.

    Frames of equal score are reported together, since no threshold separates them. Raises ValueError without a frame
    with a target, and for NaN.
    """
    if not present.any():
        raise ValueError("expected at least one frame with a target, found none")
    if np.isnan(scores).any() or np.isnan(overlaps[present]).any():
        raise ValueError("expected presence scores and overlaps that are numbers, found NaN")
    order = np.argsort(-scores, kind="stable")
    gained = np.where(present, overlaps, 0.0)[order].cumsum()
    ranked = scores[order]
    last = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))  # of each group of equal scores
    return PresenceCurve(ranked[last], gained[last] / (last + 1), gained[last] / int(present.sum()))


def evaluate_presence(tracker: ResultSource, dataset: Iterable[Sequence]) -> PresenceCurve:
    """Curve of the stored results of one run. Warns and raises as `read_tracked`; InputError without any frame."""
    tracked = list(read_tracked(tracker, dataset))
    if not tracked:
        raise InputError("expected at least one sequence to evaluate, found none")
    overlaps = np.concatenate([overlap(t.boxes, t.truth)[t.annotated] for t in tracked])
    scores = np.concatenate([t.scores[t.annotated] for t in tracked])
    present = np.concatenate([t.present[t.annotated] for t in tracked])
    try:
        return presence_curve(overlaps, scores, present)
    except ValueError as error:
        raise InputError(f"{tracker.display_name}: {error}") from error


def read_tracked(tracker: ResultSource, dataset: Iterable[Sequence]) -> Iterator[Tracked]:
    """Stored results with presence scores.

    Results with more or fewer rows than frames are cut, or continued with their last row, and RowCountWarning says so.
    Raises InputError for a missing or malformed result, and for ground truth that is not here.
    """
    for sequence in dataset:
        check_ground_truth(sequence)
        file, boxes = load_boxes(tracker, sequence)
        path = file.boxes.with_name(f"{file.boxes.stem}_object_presence_scores.txt")
        scores = parse_column(path.read_bytes(), path) if path.exists() else np.ones(len(boxes))
        if len(scores) != len(boxes):
            raise InputError(f"{path}: expected {len(boxes)} scores, one for each box, found {len(scores)}")
        truth = sequence.ground_truth_rect
        offsets = row_offsets(sequence)
        yield Tracked(
            fit_rows(boxes, truth, Rules(), offsets, f"{tracker.display_name}, {sequence.name}"),
            scores[row_numbers(len(boxes), len(truth), offsets)],
            truth,
            sequence.target_visible & valid_frames(truth),
            sequence.annotated,
        )
