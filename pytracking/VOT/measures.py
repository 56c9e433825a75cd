"""The measures of VOT's reset-based experiment, from the overlaps of runs: pure functions.

A run is the marks and the overlaps of the N frames of a sequence. The conventions are those of `overlap.py`: the
published definitions (`challenge`), and those of vot-toolkit (`toolkit`), which average in another order.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from typing import NamedTuple

import numpy as np

from ltr.common.types import Array
from ltr.dataset.regions import FAILED, INITIALIZED
from pytracking.VOT.overlap import Convention


class Run(NamedTuple):
    """One run through one sequence of N frames."""

    kinds: Array  # (N,) as in Regions
    overlaps: Array  # (N,) NaN where the tracker has no region

    @property
    def failures(self) -> int:
        """Number of failures."""
        return int((self.kinds == FAILED).sum())


class Fragment(NamedTuple):
    """A run from one start to the next, or to the end of the sequence."""

    overlaps: Array  # (K,) of the frames after the start, 0 without region
    failed: bool  # it is known to stay at 0 from here on
    weight: float


def counted_overlaps(run: Run, burn_in: int) -> Array:
    """Overlaps (N,) that count for the accuracy: NaN without a region and in `burn_in` frames from each start on."""
    overlaps = run.overlaps.copy()
    for start in np.flatnonzero(run.kinds == INITIALIZED):
        overlaps[start : start + burn_in] = np.nan
    return overlaps


def sequence_overlaps(runs: SequenceOf[Run], burn_in: int) -> Array:
    """Mean counted overlap of each frame (N,) over the runs in which it counts; NaN where it counts in none."""
    overlaps = np.stack([counted_overlaps(run, burn_in) for run in runs])
    counts = np.isfinite(overlaps)
    number = counts.sum(axis=0)
    return np.divide(
        np.where(counts, overlaps, 0).sum(axis=0), number, out=np.full(len(number), np.nan), where=number > 0
    )


def sequence_accuracy(runs: SequenceOf[Run], burn_in: int, convention: Convention = "challenge") -> float:
    """Accuracy on one sequence.

    `challenge`: mean over frames of the mean over runs, NaN where nothing counts. `toolkit`: mean over runs of the
    mean over frames, 0 where nothing counts.
    """
    if convention == "challenge":
        return _mean(sequence_overlaps(runs, burn_in))
    means = [_mean(counted_overlaps(run, burn_in)) for run in runs]
    return float(np.mean(np.nan_to_num(means)))


def mean_accuracy(sequences: SequenceOf[SequenceOf[Run]], burn_in: int, convention: Convention = "challenge") -> float:
    """Accuracy on several sequences.

    `challenge`: mean over all frames of all sequences together, of those that count. `toolkit`: mean of the sequences'
    accuracies, weighted with their lengths.
    """
    if convention == "challenge":
        return _mean(np.concatenate([sequence_overlaps(runs, burn_in) for runs in sequences]))
    accuracies = [sequence_accuracy(runs, burn_in, convention) for runs in sequences]
    return float(np.average(accuracies, weights=[len(runs[0].kinds) for runs in sequences]))


def mean_failures(runs: SequenceOf[Run]) -> float:
    """Failures on one sequence, mean over the runs."""
    return float(np.mean([run.failures for run in runs]))


def failure_rate(sequences: SequenceOf[SequenceOf[Run]], convention: Convention = "challenge") -> float:
    """Failures in a frame.

    `challenge`: failures of all sequences divided by their frames. `toolkit`: the same with the failures of each
    sequence weighted by its length.
    """
    failures = np.array([mean_failures(runs) for runs in sequences])
    frames = np.array([len(runs[0].kinds) for runs in sequences])
    if convention == "challenge":
        return float(failures.sum() / frames.sum())
    return float(np.average(failures, weights=frames) / frames.mean())


def fragments(sequences: Iterable[SequenceOf[Run]], convention: Convention = "challenge") -> list[Fragment]:
    """The pieces that EAO is computed from.

    `challenge`: a piece ends at the next start; the last one is open, even where it failed so late that no start
    follows; all runs of a sequence weigh 1 together. `toolkit`: a piece ends at its failure; every piece weighs 1.
    """
    return [
        fragment
        for runs in sequences
        for run in runs
        for fragment in _fragments_of(run, 1 / len(runs) if convention == "challenge" else 1.0, convention)
    ]


def _fragments_of(run: Run, weight: float, convention: Convention) -> Iterable[Fragment]:
    overlaps = np.nan_to_num(run.overlaps)
    starts = np.flatnonzero(run.kinds == INITIALIZED)
    failed_at = np.flatnonzero(run.kinds == FAILED)
    for number, start in enumerate(starts):
        is_last = number == len(starts) - 1
        end = len(overlaps) if is_last else starts[number + 1]
        if convention == "challenge":
            failed = not is_last
        else:
            failures = failed_at[(failed_at > start) & (failed_at < end)]
            failed = len(failures) > 0
            end = failures[0] if failed else end
        yield Fragment(overlaps[start + 1 : end], failed, weight)


def eao_curve(sequences: SequenceOf[SequenceOf[Run]], convention: Convention = "challenge") -> Array:
    """Curve of the expected average overlap, as `expected_overlaps`.

    `challenge`: as long as the longest sequence. `toolkit`: as long as the longest piece, which failures shorten; the
    mean over the interval of lengths then ends there.
    """
    pieces = fragments(sequences, convention)
    lengths = [len(runs[0].kinds) for runs in sequences]
    longest = max(lengths) if convention == "challenge" else max(len(piece.overlaps) + 1 for piece in pieces)
    return expected_overlaps(pieces, longest)


def expected_overlaps(pieces: SequenceOf[Fragment], longest: int) -> Array:
    """Curve (longest,) of the expected average overlap: entry k is the mean of k frames after the start.

    The mean of the overlaps 1 .. k of each piece, averaged over the pieces that are known at k: a failed one goes on
    with zeros, one that ran to the end of its sequence is unknown beyond. The frame of the start never counts; entry
    0 is 0. NaN where no piece is known.
    """
    total, weight = np.zeros(longest), np.zeros(longest)
    lengths = np.maximum(np.arange(longest), 1)
    for piece in pieces:
        known = longest if piece.failed else len(piece.overlaps) + 1
        sums = np.zeros(known)
        sums[1 : len(piece.overlaps) + 1] = piece.overlaps.cumsum()
        sums[len(piece.overlaps) + 1 :] = sums[len(piece.overlaps)]
        total[:known] += piece.weight * sums / lengths[:known]
        weight[:known] += piece.weight
    return np.divide(total, weight, out=np.full(longest, np.nan), where=weight > 0)


def eao_score(curve: Array, interval: tuple[int, int], convention: Convention = "challenge") -> float:
    """Expected average overlap: mean of the curve over the interval of lengths, both ends included.

    `challenge`: a length counts the frame of the start, so length n is entry n - 1. `toolkit`: it does not.
    Lengths beyond the curve are left out; NaN where none remains.
    """
    low, high = interval if convention == "toolkit" else (interval[0] - 1, interval[1] - 1)
    return _mean(curve[low : high + 1])


def _mean(values: Array) -> float:
    counted = values[np.isfinite(values)]
    return float(counted.mean()) if len(counted) else float("nan")
