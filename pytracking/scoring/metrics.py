"""One-pass scores as pure functions on arrays of boxes (x, y, w, h).

`ltr.common.boxes.overlap`, `center_error` and `normalized_error` measure frames, `share_above` and `share_within`
make curves of them, and `score_boxes` scores a sequence by the rules of a benchmark (`pytracking.scoring.conventions`).
"""

import warnings
from dataclasses import dataclass

import numpy as np

from ltr.common.boxes import overlap
from ltr.common.types import Array
from pytracking.scoring.conventions import Rules
from pytracking.scoring.rows import NO_OFFSETS, Offsets, RowCountWarning, row_numbers, row_text

THRESHOLDS = np.linspace(0, 1, 21)  # of the overlap
ERROR_THRESHOLDS = np.arange(51.0)  # pixels
NORM_ERROR_THRESHOLDS = np.arange(51) / 100  # target sizes


@dataclass(frozen=True)
class Curves:
    """Scores of one sequence as fractions of 1."""

    frames: int  # counted frames, the denominator of the shares
    success: Array  # (T,) share of frames with overlap > t
    precision: Array  # (51,) share of frames with center error <= 0..50 pixels
    norm_precision: Array  # (51,) share of frames with normalized error <= 0..0.5
    average_overlap: float  # mean overlap of the valid frames; NaN without any


def center_error(boxes: Array, others: Array, added_pixel: float = 0.0) -> Array:
    """Distance of the centers of boxes (N, 4) and others (N, 4), pixels -> (N,); `added_pixel` as of `overlap`."""
    (x, y), (other_x, other_y) = _centers(boxes, added_pixel), _centers(others, added_pixel)
    return _length(x - other_x, y - other_y)


def normalized_error(boxes: Array, truth: Array, added_pixel: float = 0.0, scaled_centers: bool = False) -> Array:
    """Distance of the centers, in x divided by the width and in y by the height of the ground truth -> (N,).

    With `scaled_centers` both centers are divided and then subtracted, as pytracking does it. That is the same but for
    rounding, which decides where an error lies on a limit: a center off by a fifth of the target. It then depends on
    the number of the first pixel too. Infinite or NaN where the ground truth has no width or height.
    """
    (x, y), (true_x, true_y) = _centers(boxes, added_pixel), _centers(truth, added_pixel)
    w, h = truth[:, 2], truth[:, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        if scaled_centers:
            return _length(x / w - true_x / w, y / h - true_y / h)
        return _length((x - true_x) / w, (y - true_y) / h)


def _centers(boxes: Array, added_pixel: float) -> tuple[Array, Array]:
    x, y, w, h = boxes.T
    return x + (w - added_pixel) / 2, y + (h - added_pixel) / 2


def _length(dx: Array, dy: Array) -> Array:
    return np.asarray(np.sqrt(dx * dx + dy * dy))


def clip_boxes(boxes: Array, image_size: tuple[float, float]) -> Array:
    """Boxes (N, 4) limited to an image of (width, height), as the GOT-10k kit does it.

    The corner is moved into the image, then the size is limited to what is left there: a box that begins left of the
    image keeps its width.
    """
    limit = np.asarray(image_size, dtype=np.float64)
    corner = np.clip(boxes[:, :2], 0, limit)
    return np.concatenate((corner, np.clip(boxes[:, 2:], 0, limit - corner)), axis=1)


def share_above(values: Array, thresholds: Array, count: int | None = None) -> Array:
    """Share of values (N,) that are > t for each of the ascending thresholds (T,) -> (T,); of `count`, if not of N."""
    below = np.searchsorted(thresholds, values, side="left")  # thresholds that the value exceeds
    histogram = np.bincount(below, minlength=len(thresholds) + 1)
    above = histogram[::-1].cumsum()[::-1][1:]
    return np.asarray(above / (len(values) if count is None else count))


def share_within(errors: Array, thresholds: Array, count: int | None = None) -> Array:
    """Share of errors (N,) that are <= t for each of the ascending thresholds (T,) -> (T,); NaN is never within."""
    first = np.searchsorted(thresholds, errors, side="left")
    histogram = np.bincount(first, minlength=len(thresholds) + 1)
    return np.asarray(histogram.cumsum()[:-1] / (len(errors) if count is None else count))


def fit_rows(
    predicted: Array, truth: Array, rules: Rules, offsets: Offsets = NO_OFFSETS, name: str = "predictions"
) -> Array:
    """Predictions (M, 4) brought to the rows of the ground truth (N, 4) by the rules -> (N, 4).

    `offsets` are those of `row_offsets`. Warns with RowCountWarning, saying the `name`, where M is not N. Raises
    ValueError without any prediction, and for fewer than N where the rules ask for all.
    """
    found, wanted = len(predicted), len(truth)
    usable = found - offsets.get(found, 0)
    if usable <= 0:
        raise ValueError("expected at least one predicted box, found none")
    if usable < wanted and rules.short_result == "error":
        raise ValueError(f"expected {wanted} boxes, one for each frame, found {found}")
    if text := row_text(found, wanted, rules, offsets):
        warnings.warn(f"{name}: {text}", RowCountWarning, stacklevel=2)
        predicted = predicted[row_numbers(found, wanted, offsets)]
    fitted = np.array(predicted, dtype=np.float64, order="F")  # a copy; whole columns are worked on
    if rules.empty_box == "previous":
        fitted = _replace_empty(fitted, truth)
    if rules.short_result == "zeros":
        fitted[usable:] = 0
    if rules.first_frame == "truth" and wanted > 0:
        fitted[0] = truth[0]
    return fitted


def _replace_empty(boxes: Array, truth: Array) -> Array:
    """Boxes without width or height become the last one that has both, but for frames whose ground truth is NaN."""
    empty = (boxes[:, 2:] == 0).any(axis=1) & np.isfinite(truth).all(axis=1)
    empty[:1] = False  # nothing stands before it
    source = np.maximum.accumulate(np.where(empty, 0, np.arange(len(boxes))))
    return np.asarray(boxes[source])


def valid_frames(truth: Array, min_corner: float | None = None) -> Array:
    """Where the ground truth (N, 4) is a box: no NaN, width and height > 0, x and y > `min_corner` -> bool (N,)."""
    x, y, w, h = truth.T
    valid = np.isfinite(x + y + w + h) & (w > 0) & (h > 0)
    if min_corner is not None:
        valid &= (x > min_corner) & (y > min_corner)
    return np.asarray(valid)


def counted_frames(truth: Array, rules: Rules, visible: Array | None = None, pixel_origin: int = 0) -> Array:
    """Frames of the denominator, bool (N,); arguments as of `score_boxes`."""
    counted = np.ones(len(truth), dtype=bool)
    if rules.invalid == "dropped":
        counted = valid_and_absent(truth, rules, visible, pixel_origin)[0]
    if rules.first_frame == "dropped":
        counted[:1] = False
    return counted


def valid_and_absent(truth: Array, rules: Rules, visible: Array | None, pixel_origin: int) -> tuple[Array, Array]:
    """Which frames count as valid, and which are flagged as without target; arguments as of `score_boxes`."""
    is_used = visible is not None and rules.absent != "ignored"
    absent = ~np.asarray(visible) if is_used else np.zeros(len(truth), dtype=bool)
    min_corner = None if rules.min_corner is None else rules.min_corner - pixel_origin
    return valid_frames(truth, min_corner) & ~absent, absent


def frame_measures(
    predicted: Array,  # (N, 4)
    truth: Array,  # (N, 4)
    rules: Rules,
    valid: Array,  # (N,) bool
    absent: Array,  # (N,) bool
) -> tuple[Array, Array, Array]:
    """Overlap, center error and normalized error of each frame; invalid ones have numbers that are hits or misses."""
    overlaps = overlap(predicted, truth, rules.added_pixel)
    errors = center_error(predicted, truth, rules.added_pixel)
    norm_errors = normalized_error(predicted, truth, rules.added_pixel, rules.scaled_centers)
    if not valid.all():
        overlaps[~valid] = -1.0
        errors[~valid] = -1.0 if rules.invalid == "hit" else np.inf
        norm_errors[~valid] = -1.0 if rules.invalid_norm == "hit" else np.inf
        if rules.absent == "miss":
            errors[absent] = norm_errors[absent] = np.inf
    return overlaps, errors, norm_errors


def score_boxes(
    predicted: Array,  # (M, 4)
    truth: Array,  # (N, 4)
    rules: Rules,
    visible: Array | None = None,  # (N,) bool, None: nothing is flagged as absent
    image_size: tuple[float, float] | None = None,  # (width, height), None: unknown
    pixel_origin: int = 0,  # number of the first pixel in the annotation file, where it is 0 in `truth`
    thresholds: Array = THRESHOLDS,  # (T,) of the overlap
    exclude_invalid: bool = False,
    offsets: Offsets = NO_OFFSETS,  # of `row_offsets`
) -> Curves:
    """Score the predictions of one sequence; warns with RowCountWarning where they are not one for each frame.

    `exclude_invalid` divides by the valid frames only; errors of invalid frames stay in the numerator, as in
    pytracking's `exclude_invalid_frames`, so that shares can exceed 1 where these count as hits.
    Raises ValueError where there is nothing to count or the rules refuse the predictions.
    """
    predicted = fit_rows(predicted, truth, rules, offsets)
    valid, absent = valid_and_absent(truth, rules, visible, pixel_origin)
    counted = counted_frames(truth, rules, visible, pixel_origin)
    if not counted.any() or (exclude_invalid and not valid.any()):
        raise ValueError("expected ground truth with at least one frame to count, found none")
    if not counted.all():
        predicted, truth, valid, absent = predicted[counted], truth[counted], valid[counted], absent[counted]
    if rules.clip and image_size is not None:
        predicted, truth = clip_boxes(predicted, image_size), clip_boxes(truth, image_size)
    if rules.added_pixel and pixel_origin:
        shift = np.array([pixel_origin, pixel_origin, 0, 0], dtype=np.float64)
        predicted, truth = predicted + shift, truth + shift
    overlaps, errors, norm_errors = frame_measures(predicted, truth, rules, valid, absent)
    count = int(valid.sum()) if exclude_invalid else len(truth)
    return Curves(
        count,
        share_above(overlaps, thresholds, count),
        share_within(errors, ERROR_THRESHOLDS, count),
        share_within(norm_errors, NORM_ERROR_THRESHOLDS, count),
        float(overlaps[valid].mean()) if valid.any() else float("nan"),
    )


@dataclass(frozen=True)
class TrackingNetScore:
    """The three numbers of TrackingNet's kit, as fractions of 1: areas, not values at a limit."""

    success: float  # area under success, overlap 0 .. 1
    precision: float  # area under precision, 0 .. 50 pixels
    norm_precision: float  # area under normalized precision, 0 .. 0.5


def trackingnet_score(predicted: Array, truth: Array) -> TrackingNetScore:
    """Score predictions (M, 4) against ground truth (N, 4) as TrackingNet's kit scores a sequence.

    Boxes are rounded to integers, the first prediction is replaced by its ground truth, and each area is that of the
    trapezoids between 21 points, divided by the range. Raises ValueError without a frame, or for fewer boxes, and
    warns with RowCountWarning for more.
    """
    truth = np.round(truth)
    predicted = fit_rows(np.round(predicted), truth, Rules(short_result="error"))
    if len(truth) == 0:
        raise ValueError("expected ground truth with at least one frame to count, found none")
    errors, norm_errors = (np.linspace(0, limit, 21) for limit in (50.0, 0.5))
    return TrackingNetScore(
        _mean_height(share_above(overlap(predicted, truth), THRESHOLDS)),
        _mean_height(share_within(center_error(predicted, truth), errors)),
        _mean_height(share_within(normalized_error(predicted, truth), norm_errors)),
    )


def _mean_height(curve: Array) -> float:
    """Area of the trapezoids under evenly spaced points, divided by their range."""
    return float((curve[1:] + curve[:-1]).mean() / 2)
