"""Arithmetic of boxes x, y, w, h on the host; the last axis of an array is that of the four numbers."""

import numpy as np

from ltr.common.types import Array


def overlap(boxes: Array, others: Array, added_pixel: float = 0.0) -> Array:  # (..., 4), (..., 4) -> (...)
    """Intersection over union, 0 to 1; 0 where both have no area, and where a number is NaN.

    Boxes are continuous, [x, x + w] x [y, y + h]. With `added_pixel` 1 they are [x, x + w - 1] and every extent gets a
    pixel more, which is the same but for rounding.
    """
    intersection = _shared_extent(boxes, others, 0, added_pixel) * _shared_extent(boxes, others, 1, added_pixel)
    union = area(boxes) + area(others) - intersection
    ratio = np.zeros_like(union, dtype=np.result_type(union, np.float32))
    np.divide(intersection, union, out=ratio, where=union > 0)
    return np.asarray(np.minimum(ratio, 1))  # rounding can make the union smaller than the intersection


def _shared_extent(boxes: Array, others: Array, axis: int, added_pixel: float) -> Array:
    low, other_low = boxes[..., axis], others[..., axis]
    extent, other_extent = boxes[..., 2 + axis], others[..., 2 + axis]
    high = np.minimum(low + extent - added_pixel, other_low + other_extent - added_pixel)
    return np.asarray(np.maximum(high - np.maximum(low, other_low) + added_pixel, 0))


def area(boxes: Array) -> Array:  # (..., 4) -> (...)
    return np.asarray(boxes[..., 2] * boxes[..., 3])


def area_ratio(boxes: Array, others: Array) -> Array:  # (..., 4), (..., 4) -> (...)
    return np.asarray(area(boxes) / area(others))


def within(values: Array, limits: tuple[float, float]) -> Array:
    """Which values lie between the limits; both belong to it."""
    return np.asarray((values >= limits[0]) & (values <= limits[1]))
