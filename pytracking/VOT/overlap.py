"""Overlap of regions as VOT's toolkits compute it: both are drawn in pixels inside the image, and pixels are counted.

Two toolkits, two ways to draw:
- `challenge`: the toolkit of the years 2016 to 2019, whose numbers are published. A box is a polygon of its four
  corners; the window of both regions is limited to the image before vertices are rounded; where the crossings of a
  row fall into one pixel, as at a corner above or below, nothing is drawn.
- `toolkit`: vot-toolkit (Python). Coordinates are rounded first; a box w pixels wide covers w pixels, not w + 1.
Nothing is drawn here: a row of a polygon is a few spans, and spans are enough to count pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np

from ltr.common.errors import unknown_name
from ltr.common.types import Array
from ltr.dataset.regions import BOX, Regions

Convention = Literal["challenge", "toolkit"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
ROWS_AT_ONCE = 200_000  # pixel rows; bounds the memory


class _Spans(NamedTuple):
    """Covered pixels of R pixel rows, as up to K disjoint spans each, both ends included; empty where end < start."""

    starts: Array  # (R, K)
    ends: Array  # (R, K)


class _Drawing(NamedTuple):
    """Pairs of regions on windows of pixels, ready to be drawn."""

    windows: Array  # (N, 4) left, top, right, bottom, both ends included
    fixed: Array  # (N,) overlap that is known without drawing; NaN elsewhere
    first: Array  # (N, 4, 2) rounded vertices in the window's coordinates
    second: Array  # (N, 4, 2)
    is_box: tuple[Array, Array]  # (N,) bool each: an upright box from its first to its third corner
    draws_tips: bool  # a row whose crossings fall into one pixel is drawn


def region_overlaps(
    first: Regions,
    second: Regions,
    size: tuple[int, int],  # width, height of the image
    convention: Convention = "challenge",
) -> Array:
    """Intersection divided by union, in pixels, of N pairs of regions: (N,) float64.

    NaN where `first` has no region; 0 where only `second` has none.
    Raises ValueError for different lengths, InputError for an unknown convention.
    """
    if len(first) != len(second):
        raise ValueError(f"expected as many regions on both sides, found {len(first)} and {len(second)}")
    if convention not in CONVENTIONS:
        raise unknown_name("convention", convention, CONVENTIONS)
    prepare: Callable[[Regions, Regions, tuple[int, int]], _Drawing]
    prepare = _for_challenge if convention == "challenge" else _for_toolkit
    overlaps = np.where(first.is_region, 0.0, np.nan)
    drawn = np.flatnonzero(first.is_region & second.is_region)
    if len(drawn):
        overlaps[drawn] = _count(prepare(first.at(drawn), second.at(drawn), size))
    return overlaps


def _for_challenge(first: Regions, second: Regions, size: tuple[int, int]) -> _Drawing:
    limit = np.array(size, dtype=np.float32) - 1
    corners = [_float32_corners(regions) for regions in (first, second)]
    low = np.stack([np.floor(c.min(axis=1)) for c in corners])  # (2, N, 2)
    high = np.stack([np.ceil(c.max(axis=1)) for c in corners])
    low, high = np.maximum(low, 0), np.minimum(high, limit)
    apart = (low.max(axis=0) >= high.min(axis=0)).any(axis=1)
    windows = np.concatenate((low.min(axis=0), high.max(axis=0)), axis=1)
    one, other = (_round_half_away(c - windows[:, None, :2]) for c in corners)
    boxes = (first.kinds == BOX, second.kinds == BOX)
    return _Drawing(windows.astype(np.int64), np.where(apart, 0.0, np.nan), one, other, boxes, draws_tips=False)


def _for_toolkit(first: Regions, second: Regions, size: tuple[int, int]) -> _Drawing:
    corners, boxes = zip(*(_rounded_corners(regions) for regions in (first, second)), strict=True)
    low = np.minimum(*(np.where(b[:, None], c[:, 0], c.min(axis=1)) for c, b in zip(corners, boxes, strict=True)))
    high = np.maximum(*(np.where(b[:, None], c[:, 2], c.max(axis=1)) for c, b in zip(corners, boxes, strict=True)))
    windows = np.concatenate((np.maximum(low, 0), np.minimum(high, np.array(size) - 1)), axis=1)
    both_empty = (low >= high).any(axis=1)
    outside = (windows[:, :2] >= windows[:, 2:]).any(axis=1)
    fixed = np.select([both_empty, outside], [1.0, 0.0], np.nan)
    one, other = (c - windows[:, None, :2] for c in corners)
    return _Drawing(windows.astype(np.int64), fixed, one, other, (boxes[0], boxes[1]), draws_tips=True)


def _float32_corners(regions: Regions) -> Array:
    """Corners (N, 4, 2) in the precision of the toolkit of 2016 to 2019."""
    values = regions.values.astype(np.float32)
    x, y, w, h = values[:, :4].T
    of_boxes = np.stack((x, y, x + w, y, x + w, y + h, x, y + h), axis=1)
    return np.where((regions.kinds == BOX)[:, None], of_boxes, values).reshape(-1, 4, 2)


def _rounded_corners(regions: Regions) -> tuple[Array, Array]:
    """Corners (N, 4, 2), a box ending at its last pixel, and whether they are of boxes (N,)."""
    values = np.round(regions.values.astype(np.float32)).astype(np.float64)
    x, y, w, h = values[:, :4].T
    right, bottom = x + w - 1, y + h - 1
    of_boxes = np.stack((x, y, right, y, right, bottom, x, bottom), axis=1)
    is_box = regions.kinds == BOX
    return np.where(is_box[:, None], of_boxes, values).reshape(-1, 4, 2), is_box


def _round_half_away(values: Array) -> Array:
    """Rounded as C's `round`, which numpy's is not; float64."""
    return np.asarray(np.trunc(values.astype(np.float64) + np.copysign(0.5, values)))


def _count(drawing: _Drawing) -> Array:
    """Overlaps (N,) of the pairs, drawn in blocks of limited size."""
    overlaps = drawing.fixed.copy()
    open_pairs = np.flatnonzero(np.isnan(overlaps))
    heights = drawing.windows[open_pairs, 3] - drawing.windows[open_pairs, 1] + 1
    block = heights.cumsum() // ROWS_AT_ONCE
    for number in np.unique(block):
        chosen = block == number
        overlaps[open_pairs[chosen]] = _count_block(drawing, open_pairs[chosen], heights[chosen])
    return overlaps


def _count_block(drawing: _Drawing, pairs: Array, heights: Array) -> Array:
    begins = heights.cumsum() - heights
    pair = np.repeat(pairs, heights)  # (R,) of each pixel row
    row = np.arange(heights.sum()) - np.repeat(begins, heights)  # in its window
    width = (drawing.windows[:, 2] - drawing.windows[:, 0] + 1)[pair]
    spans = [
        _spans(corners, is_box, pair, row, width, drawing.draws_tips)
        for corners, is_box in zip((drawing.first, drawing.second), drawing.is_box, strict=True)
    ]
    areas = [_lengths(s.starts, s.ends).sum(axis=1) for s in spans]
    both = _lengths(
        np.maximum(spans[0].starts[:, :, None], spans[1].starts[:, None, :]),
        np.minimum(spans[0].ends[:, :, None], spans[1].ends[:, None, :]),
    ).sum(axis=(1, 2))
    intersection, first, second = (np.add.reduceat(part, begins) for part in (both, *areas))
    union = first + second - intersection
    return np.asarray(np.divide(intersection, union, out=np.zeros(len(pairs)), where=union > 0))


def _spans(corners: Array, is_box: Array, pair: Array, row: Array, width: Array, draws_tips: bool) -> _Spans:
    """Pixels of the regions (N, 4, 2) of `pair` (R,) in one pixel row each."""
    boxes = _box_spans(corners, pair, row, width, draws_tips)
    if is_box.all():
        return boxes
    spans = _polygon_spans(corners[pair], row, width, draws_tips)
    if is_box.any():
        chosen = is_box[pair]
        spans.starts[chosen], spans.ends[chosen] = 0, -1
        spans.starts[chosen, 0], spans.ends[chosen, 0] = boxes.starts[chosen, 0], boxes.ends[chosen, 0]
    return spans


def _box_spans(corners: Array, pair: Array, row: Array, width: Array, draws_tips: bool) -> _Spans:
    (left, top), (right, bottom) = (corners[:, k].astype(np.int64).T for k in (0, 2))
    drawn = left <= right if draws_tips else left < right
    inside = drawn[pair] & (top[pair] <= row) & (row <= bottom[pair])
    starts = np.where(inside, np.maximum(left, 0)[pair], 0)
    return _Spans(starts[:, None], np.where(inside, np.minimum(right[pair], width - 1), -1)[:, None])


def _lengths(starts: Array, ends: Array) -> Array:
    return np.maximum(ends - starts + 1, 0)


def _polygon_spans(corners: Array, row: Array, width: Array, draws_tips: bool) -> _Spans:
    """Pixels of polygons (R, V, 2) in one pixel row each: between pairs of edge crossings, cut off to whole pixels.

    A crossing that occurs twice is a corner on the row, and is taken once; with `draws_tips`, the last is a pair.
    """
    nodes, count = _crossings(corners, row[:, None])
    starts, ends = [], []
    position, last = np.zeros(len(row), dtype=np.int64), np.full(len(row), -1, dtype=np.int64)
    each = np.arange(len(row))
    for _ in range(nodes.shape[1] - 1):
        is_open = position < count - 1
        if not is_open.any():
            break
        here = np.where(is_open, position, 0)
        begin, end = nodes[each, here], nodes[each, here + 1]
        is_corner = is_open & (begin == end) & ((position < count - 2) if draws_tips else True)
        takes = is_open & ~is_corner
        # Where two spans meet, their common pixel belongs to the first.
        starts.append(np.where(takes, np.maximum(begin, last + 1), 0))
        ends.append(np.where(takes, np.minimum(end, width - 1), -1))
        last = np.where(takes, np.maximum(last, ends[-1]), last)
        position += np.where(is_corner, 1, 2)
    if not starts:
        return _Spans(np.zeros((len(row), 1), dtype=np.int64), np.full((len(row), 1), -1))
    return _Spans(np.stack(starts, axis=1), np.stack(ends, axis=1))


def _crossings(corners: Array, row: Array) -> tuple[Array, Array]:
    """Columns (R, V) where edges meet the row, in order, and their number (R,); what is left over is far right."""
    previous = np.roll(corners, 1, axis=1)
    (x, y), (x0, y0) = (np.moveaxis(c, 2, 0) for c in (corners, previous))
    meets = (np.minimum(y, y0) <= row) & (row <= np.maximum(y, y0))
    rise = np.where(y0 == y, 1.0, y0 - y)
    column = np.where(y0 == y, x, x + (row - y) / rise * (x0 - x))
    far = np.iinfo(np.int64).max // 2
    nodes = np.where(meets, np.trunc(np.where(meets, column, 0)).astype(np.int64), far)
    return np.sort(nodes, axis=1), meets.sum(axis=1)
