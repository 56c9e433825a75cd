"""Comparing trackers on the same sequences: bootstrap intervals, a signed-rank test, and the paper's hard sequences.

Sequences are what is drawn: a benchmark's sequences are a sample of the videos one could track, and the same ones are
drawn for both trackers of a comparison. Runs are averaged first, so the intervals are those of a tracker's mean over
runs, and say nothing about the spread between runs.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from functools import partial

import numpy as np

from ltr.common.errors import InputError, unknown_name
from ltr.common.types import Array
from pytracking.analysis.evaluation import Evaluation, TrackerScores

SAMPLES = 10_000
HARD_LIMIT = 0.75  # AUC; a sequence is hard where not all runs of RLS exceed it, as in the paper
_CHUNK = 2_000_000  # drawn indices held at once

Metric = Callable[[TrackerScores], Array]  # -> (R, S)


def _auc(scores: TrackerScores) -> Array:
    return scores.auc


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap percentile interval."""

    mean: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Comparison:
    """One tracker against another on the same S sequences; positive differences favor the first."""

    first: str
    second: str
    first_score: Interval
    second_score: Interval
    difference: Interval
    p_value: float  # Wilcoxon signed-rank test, two-sided, that differences are symmetric about 0
    wins: int  # sequences on which the first is better
    losses: int
    ties: int


def bootstrap_interval(
    scores: Array,  # (S,)
    confidence: float = 0.95,
    samples: int = SAMPLES,
    seed: int = 0,
    weights: Array | None = None,  # (S,) of the sequences in the mean
) -> Interval:
    """Percentile interval of the mean of `scores` over sequences drawn with replacement.

    With the differences of two trackers as scores this is the paired bootstrap. Raises ValueError without scores, for
    NaN, and for a confidence outside (0, 1).
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or len(scores) == 0 or not np.isfinite(scores).all():
        raise ValueError(f"expected finite scores of at least one sequence, shape (S,), found {scores!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence between 0 and 1, found {confidence}")
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(scores))
    chunks = [min(rows, samples - start) for start in range(0, samples, rows)]
    means = np.concatenate([_drawn_means(rng, scores, weights, count) for count in chunks])
    low, high = np.quantile(means, ((1 - confidence) / 2, (1 + confidence) / 2))
    return Interval(float(np.average(scores, weights=weights)), float(low), float(high), confidence)


def _drawn_means(rng: np.random.Generator, scores: Array, weights: Array, count: int) -> Array:
    drawn = rng.integers(len(scores), size=(count, len(scores)))
    return np.asarray((scores * weights)[drawn].sum(axis=1) / weights[drawn].sum(axis=1))


def wilcoxon_p_value(first: Array, second: Array) -> float:
    """Two-sided p-value of the Wilcoxon signed-rank test of paired scores (S,); 1 where no pair differs.

    Sequences without difference are left out of the ranks, as Wilcoxon does.
    """
    from scipy.stats import wilcoxon

    difference = np.asarray(first) - np.asarray(second)
    if not difference.any():
        return 1.0
    return float(wilcoxon(difference, zero_method="wilcox").pvalue)


def compare(
    evaluation: Evaluation,
    first: str,
    second: str,
    metric: Metric = _auc,
    confidence: float = 0.95,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two trackers, given by their names, on the sequences of the evaluation.

    Raises InputError for an unknown name, and where a result of one of them is missing.
    """
    trackers = [find_tracker(evaluation, name) for name in (first, second)]
    one, other = (metric(tracker).mean(axis=0) for tracker in trackers)
    if not np.isfinite(one + other).all():
        raise InputError(
            f"expected results of '{first}' and '{second}' on all {len(evaluation.sequences)} sequences, found some "
            "missing; compare on evaluation.complete()"
        )
    weights = trackers[0].weights
    interval = partial(bootstrap_interval, confidence=confidence, samples=samples, seed=seed, weights=weights)
    return Comparison(
        first,
        second,
        first_score=interval(one),
        second_score=interval(other),
        difference=interval(one - other),
        p_value=wilcoxon_p_value(one, other),
        wins=int((one > other).sum()),
        losses=int((one < other).sum()),
        ties=int((one == other).sum()),
    )


def find_tracker(evaluation: Evaluation, name: str) -> TrackerScores:
    """The tracker of this name. Raises InputError where there is none."""
    for tracker in evaluation.trackers:
        if tracker.name == name:
            return tracker
    raise unknown_name("tracker", name, [tracker.name for tracker in evaluation.trackers])


def hard_sequences(evaluation: Evaluation, trackers: SequenceOf[str], limit: float = HARD_LIMIT) -> list[str]:
    """Sequences on which some run of the named trackers has no AUC above `limit`.

    The paper leaves a sequence out when every run of its RLS tracker has an AUC above 0.75, so that what is left can
    tell trackers apart. Raises InputError for an unknown tracker, without trackers, and for a missing result.
    """
    if not trackers:
        raise InputError("expected the trackers that say which sequences are hard, found none")
    auc = np.concatenate([find_tracker(evaluation, name).auc for name in trackers])
    if np.isnan(auc).any():
        raise InputError("expected results of all runs on all sequences, found some missing; use evaluation.complete()")
    is_easy = np.asarray((auc > limit).all(axis=0))
    return [name for name, easy in zip(evaluation.sequences, is_easy, strict=True) if not easy]
