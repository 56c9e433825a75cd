"""OxUvA's measures of long-term tracking (Valmadre et al., ECCV 2018): does the tracker know when the target is gone?

Frames are annotated about once a second; the first frame, which is given, does not count. With the target present a
frame is a true positive where the tracker reports a box with enough overlap; with the target absent it is a true
negative where the tracker reports none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.common.boxes import overlap
from ltr.common.errors import InputError
from ltr.common.types import Array
from pytracking.analysis.presence import read_tracked
from pytracking.analysis.result_files import ResultSource
from pytracking.evaluation.data import Sequence


@dataclass(frozen=True)
class OxuvaCounts:
    """Counted frames; counts of several tracks are added."""

    true_positives: int
    true_negatives: int
    present: int
    absent: int

    def __add__(self, other: OxuvaCounts) -> OxuvaCounts:
        return OxuvaCounts(
            self.true_positives + other.true_positives,
            self.true_negatives + other.true_negatives,
            self.present + other.present,
            self.absent + other.absent,
        )


@dataclass(frozen=True)
class OxuvaScores:
    """Rates as fractions of 1; NaN without frames to compute them from."""

    tpr: float  # true positives / frames with the target present
    tnr: float  # true negatives / frames with it absent
    gm: float  # sqrt(tpr * tnr)
    max_gm: float  # gm of the best mixture with a tracker that reports nothing


def oxuva_scores(counts: OxuvaCounts) -> OxuvaScores:
    """Rates of the counts of all tracks together."""
    tpr = _ratio(counts.true_positives, counts.present)
    tnr = _ratio(counts.true_negatives, counts.absent)
    return OxuvaScores(tpr, tnr, float(np.sqrt(tpr * tnr)), max_geometric_mean(tpr, tnr))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def max_geometric_mean(tpr: float, tnr: float) -> float:
    """Maximum over p in [0, 1] of sqrt((1 - p) tpr ((1 - p) tnr + p)): boxes are withheld with probability p.

    In q = 1 - p the square is tpr (q - q^2 (1 - tnr)), whose vertex q = 1 / (2 (1 - tnr)) lies in [0, 1] for
    tnr <= 1/2; above, q = 1 is best.
    """
    square = tpr / (4 * (1 - tnr)) if tnr <= 0.5 else tpr * tnr
    return float(np.sqrt(square))


def count_frames(
    boxes: Array,  # (N, 4) predicted, any unit
    reported: Array,  # (N,) bool: the tracker says that the target is there
    truth: Array,  # (N, 4) in the same unit; any value where the target is absent
    present: Array,  # (N,) bool
    min_overlap: float = 0.5,
) -> OxuvaCounts:
    """Counts of annotated frames."""
    found = present & reported
    hits = np.zeros(len(present), dtype=bool)
    hits[found] = overlap(boxes[found], truth[found]) >= min_overlap
    return OxuvaCounts(int(hits.sum()), int((~present & ~reported).sum()), int(present.sum()), int((~present).sum()))


def count_results(
    tracker: ResultSource,
    dataset: Iterable[Sequence],
    min_overlap: float = 0.5,
    threshold: float | None = None,
) -> OxuvaCounts:
    """Counts of stored results: the target is reported where the presence score exceeds `threshold`.

    Without one it is reported where the tracker says so (`presence.reported_frames`).

    Raises InputError for a missing or malformed result.
    """
    total = OxuvaCounts(0, 0, 0, 0)
    for tracked in read_tracked(tracker, dataset):
        used = tracked.annotated.copy()
        used[:1] = False
        reported = tracked.reported if threshold is None else tracked.scores > threshold
        total += count_frames(
            tracked.boxes[used], reported[used], tracked.truth[used], tracked.present[used], min_overlap
        )
    return total


def read_assessment(path: Path) -> OxuvaCounts:
    """Counts of a file of the OxUvA toolkit (`assess/.../iou_0d5.json`). Raises InputError where it is no such file."""
    try:
        tracks = json.loads(path.read_text(encoding="utf-8"))["quantized_totals"]
        bins = [counts for _, intervals in tracks for _, counts in intervals]
        columns = {key: sum(int(counts[key]) for counts in bins) for key in ("TP", "TN", "num_present", "num_absent")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected counts of the OxUvA toolkit, found {error!r}") from error
    return OxuvaCounts(*columns.values())
