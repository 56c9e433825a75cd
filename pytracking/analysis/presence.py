"""Precision, recall and F1 of trackers that say how sure they are of the target.

A frame is reported where its presence score is at least a threshold. Precision is the mean overlap of the reported
frames, recall the overlap of the reported frames summed and divided by the frames with a target; an absent target
has overlap 0. F1 is their harmonic mean at the best threshold, over the frames of all sequences together.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.common.boxes import overlap
from ltr.common.errors import InputError
from ltr.common.files import read_record
from ltr.common.types import Array
from pytracking.analysis.result_files import ResultSource, load_boxes, parse_column
from pytracking.evaluation.data import Sequence
from pytracking.scoring.conventions import Rules
from pytracking.scoring.metrics import fit_rows, valid_frames
from pytracking.scoring.rows import row_numbers, row_offsets
from pytracking.scoring.truth import check_ground_truth

DEFAULT_THRESHOLD = 0.55  # that scores exceed: pytracking's default for writing `present` of OxUvA
# Parameters that say at which presence score the target counts as found, and how scores are compared with them.
_THRESHOLDS = {"target_not_found_threshold": ("≥", operator.ge), "success_threshold": (">", operator.gt)}


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
    reported: Array  # (N,) bool: the tracker says that the target is there, see `reported_frames`
    reported_by: str  # what decides that


def reported_frames(
    scores: Array,  # (N,)
    flags: SequenceOf[str] | None,  # N; None where none are stored
    parameters: Mapping[str, Any],  # of the run's record; empty where there is none
) -> tuple[Array, str]:  # (N,) bool, and what decides
    """Where a tracker says that the target is there.

    It says so by its flag and by the threshold that its parameters have for its scores, whatever their scale is. Of
    scores that come with neither nobody knows the scale: pytracking's threshold is used.
    """
    found = np.ones(len(scores), bool) if flags is None else np.array([flag != "not_found" for flag in flags], bool)
    own = _number(parameters.get("presence_threshold"))  # of DiMP's long-term files
    if own is not None:
        return found & (scores >= own), f"score ≥ {own:g} (presence_threshold)"
    # Neither scores that are mapped to another scale nor a tracker without flags are judged by these.
    if parameters.get("presence_map") is None and parameters.get("advanced_localization") is not False:
        for name, (sign, is_found) in _THRESHOLDS.items():
            if (threshold := _number(parameters.get(name))) is not None:
                return found & is_found(scores, threshold), f"score {sign} {threshold:g} ({name})"
    if flags is not None:
        return found, "flag is not not_found (no threshold recorded)"
    return scores > DEFAULT_THRESHOLD, f"score > {DEFAULT_THRESHOLD:g} (pytracking's, as none is recorded)"


def _number(value: Any) -> float | None:
    """The value where it is a number; records write infinities as texts."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


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
    parameters = read_record(tracker.results_dir / "run.json").get("parameters", {})
    for sequence in dataset:
        check_ground_truth(sequence)
        file, boxes = load_boxes(tracker, sequence)
        path = file.boxes.with_name(f"{file.boxes.stem}_object_presence_scores.txt")
        scores = parse_column(path.read_bytes(), path) if path.exists() else np.ones(len(boxes))
        if len(scores) != len(boxes):
            raise InputError(f"{path}: expected {len(boxes)} scores, one for each box, found {len(scores)}")
        reported, reported_by = reported_frames(scores, _read_flags(file.boxes, len(boxes)), parameters)
        truth = sequence.ground_truth_rect
        offsets = row_offsets(sequence)
        numbers = row_numbers(len(boxes), len(truth), offsets)
        yield Tracked(
            fit_rows(boxes, truth, Rules(), offsets, f"{tracker.display_name}, {sequence.name}"),
            scores[numbers],
            truth,
            sequence.target_visible & valid_frames(truth),
            sequence.annotated,
            reported[numbers],
            reported_by,
        )


def _read_flags(boxes: Path, rows: int) -> list[str] | None:
    """Flags beside a file of boxes; None where there are none."""
    path = boxes.with_name(f"{boxes.stem}_flags.txt")
    if not path.exists():
        return None
    flags = path.read_text(encoding="utf-8").splitlines()
    if len(flags) != rows:
        raise InputError(f"{path}: expected {rows} flags, one for each box, found {len(flags)}")
    return flags
