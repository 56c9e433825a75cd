"""Long-term tracking: VOT-LT's measures (Lukežič et al., arXiv:1804.07056), and how soon a target is found again.

A tracker reports a frame where its presence score is at least a threshold. Precision and recall are those of
`presence_curve` for each sequence, then averaged over the sequences at each threshold; the F-score is the harmonic mean
of the two averages, at the threshold that is best for it. The first frame, which is given, does not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np

from ltr.common.boxes import overlap
from ltr.common.errors import InputError
from ltr.common.types import Array
from pytracking.analysis.oxuva import OxuvaCounts, OxuvaScores, count_frames, oxuva_scores
from pytracking.analysis.presence import PresenceCurve, Tracked, presence_curve, read_tracked
from pytracking.analysis.result_files import ResultSource
from pytracking.evaluation.data import Sequence
from pytracking.scoring.metrics import valid_frames

THRESHOLDS = 1001  # quantiles of all scores at which precision and recall are averaged


@dataclass(frozen=True)
class Return:
    """A target that comes back after frames without it."""

    length: int  # frames until it goes again, or until the end
    touched: int | None  # frames until a box overlaps it; None: never
    found: int | None  # frames until a box overlaps it by more than 0.5


@dataclass(frozen=True)
class LongTermScores:
    """Of one run on a data set; shares of 1, times in frames. NaN without frames to compute them from."""

    precision: float  # VOT-LT's, at the best threshold
    recall: float
    f_score: float
    threshold: float
    oxuva: OxuvaScores  # TPR, TNR, GM, MaxGM at overlap 0.5, reported where the tracker says so
    reported_by: str  # how it says so, see `reported_frames`
    returns: tuple[Return, ...]

    @property
    def found(self) -> float:
        """Share of the returns after which a box overlaps the target by more than 0.5."""
        return _mean([found.found is not None for found in self.returns])

    @property
    def touch_time(self) -> float:
        """Mean frames from a return until a box overlaps the target; all its frames where none does."""
        return _mean([back.length if back.touched is None else back.touched for back in self.returns])

    @property
    def find_time(self) -> float:
        """Mean frames from a return until an overlap above 0.5; all its frames where there is none."""
        return _mean([back.length if back.found is None else back.found for back in self.returns])


def evaluate_long_term(tracker: ResultSource, dataset: Iterable[Sequence]) -> LongTermScores:
    """Scores of the stored results of one run. Warns and raises as `read_tracked`.

    InputError without a sequence, and for one without a target after its first frame.
    """
    curves: list[PresenceCurve] = []
    returns: list[Return] = []
    counts: list[OxuvaCounts] = []
    reported_by: list[str] = []
    sequences = list(dataset)
    if not sequences:
        raise InputError("expected at least one sequence to evaluate, found none")
    for sequence, result in zip(sequences, read_tracked(tracker, sequences), strict=True):
        frames = np.flatnonzero(result.annotated)
        frames = frames[frames > 0]
        overlaps, present = _overlaps(result)[frames], result.present[frames]
        try:
            curves.append(presence_curve(overlaps, result.scores[frames], present))
        except ValueError as error:
            raise InputError(f"{tracker.display_name}, {sequence.name}: {error}") from error
        reported_by.append(result.reported_by)
        counts.append(count_frames(result.boxes[frames], result.reported[frames], result.truth[frames], present))
        returns += find_returns(overlaps, present, frames)
    curve = mean_curve(curves)
    best = curve.best
    return LongTermScores(
        float(curve.precision[best]),
        float(curve.recall[best]),
        float(curve.f1[best]),
        float(curve.thresholds[best]),
        oxuva_scores(sum(counts, OxuvaCounts(0, 0, 0, 0))),
        "; ".join(dict.fromkeys(reported_by)),
        tuple(returns),
    )


def mean_curve(curves: SequenceOf[PresenceCurve]) -> PresenceCurve:
    """The curves of several sequences, averaged at common thresholds, each sequence the same.

    Where a sequence has no reported frame its precision is 1 and its recall 0, as in the VOT toolkit.
    """
    scores = np.concatenate([curve.thresholds for curve in curves])
    thresholds = np.unique(np.quantile(scores, np.linspace(0, 1, THRESHOLDS), method="nearest"))[::-1]
    precision, recall = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    for curve in curves:
        place = np.searchsorted(-curve.thresholds, -thresholds, side="right")
        precision += np.append(1.0, curve.precision)[place]
        recall += np.append(0.0, curve.recall)[place]
    return PresenceCurve(thresholds, precision / len(curves), recall / len(curves))


def find_returns(overlaps: Array, present: Array, frames: Array) -> list[Return]:
    """Returns of the target in annotated frames (N,) of these numbers, with overlaps (N,) and `present` (N,) bool."""
    changes = np.diff(present.astype(int))
    ends = np.append(np.flatnonzero(changes == -1) + 1, len(present))
    returns = []
    for start in np.flatnonzero(changes == 1) + 1:
        end = int(ends[ends > start][0])
        later = frames[start:end] - frames[start]
        step = int(np.median(np.diff(frames))) if len(frames) > 1 else 1  # of sparse annotations
        touched, found = (later[overlaps[start:end] > limit] for limit in (0.0, 0.5))
        returns.append(Return(int(later[-1]) + step, *(int(hit[0]) if len(hit) else None for hit in (touched, found))))
    return returns


def has_absent_frames(sequence: Sequence) -> bool:
    """Whether the ground truth has annotated frames without a target."""
    present = sequence.target_visible & valid_frames(sequence.ground_truth_rect)
    return bool((sequence.annotated & ~present).any())


def _overlaps(tracked: Tracked) -> Array:
    """Overlap of each frame, 0 where there is no target."""
    overlaps = np.zeros(len(tracked.truth))
    overlaps[tracked.present] = overlap(tracked.boxes[tracked.present], tracked.truth[tracked.present])
    return overlaps


def _mean(values: SequenceOf[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
