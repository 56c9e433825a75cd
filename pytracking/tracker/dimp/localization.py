"""Where the target is, and how far to trust it, from score maps.

R runs are localized at once, where their scores are: nothing is read back. The rules are written in what arrays of
numpy and tensors have in common. On a CPU they get arrays: such small operations cost what it takes to start them, and
numpy starts them in a third of the time. Vectors are (y, x). Displacements are in score cells from the center of the
map, translations in image pixels.
"""

import functools
import math
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pytracking.tracker.dimp.params import DiMPParams
from pytracking.utils.types import Array

Flag = Literal["normal", "hard_negative", "uncertain", "not_found"]
FLAGS: tuple[Flag, ...] = ("normal", "hard_negative", "uncertain", "not_found")  # by code
NORMAL, HARD_NEGATIVE, UNCERTAIN, NOT_FOUND = range(4)


Values = Any  # numpy array or tensor, of one kind throughout


class SearchArea(NamedTuple):
    """Where the S crops of a frame were taken, one for each scale."""

    pos: Values  # (R, S, 2) center in image pixels
    scale: Values  # (R, S) image pixels per crop pixel
    cell: float  # crop pixels per score cell


class Localization(NamedTuple):
    flag: Values  # (R,) code
    scale_index: Values  # (R,)
    score: Values  # (R,) of the highest peak, which is not always the chosen one
    displacement: Values  # (R, 2)
    translation: Values  # (R, 2)


def preprocess_scores(scores: Tensor, method: str, filter_size: int) -> Tensor:  # (R, S, H, W)
    """Optional exponential or softmax over the map, and sum over a neighborhood of odd `filter_size` cells."""
    if method == "exp":
        scores = scores.exp()
    elif method == "softmax":
        scores = (scores - scores.amax(dim=(2, 3), keepdim=True)).exp()
        scores = scores / scores.sum(dim=(2, 3), keepdim=True)
    if filter_size > 1:
        if filter_size % 2 == 0:
            raise ValueError(f"expected an odd score_filter_ksz, found {filter_size}")
        scores = F.avg_pool2d(scores, filter_size, stride=1, padding=filter_size // 2, divisor_override=1)
    return scores


def hann_window(size: tuple[int, int], effective_size: tuple[int, int] | None = None) -> Tensor:  # (*size) float64
    """Hann window with its peak in the center; with an effective size, the edge of the smaller one is repeated."""
    ramps = (_hann_ramp(n, e) for n, e in zip(size, effective_size or size, strict=True))
    return torch.from_numpy(np.outer(*ramps))


def _hann_ramp(size: int, effective: int) -> Array:
    effective += (effective - size) % 2  # both have a cell in the center, or neither
    ramp = 0.5 * (1 - np.cos(2 * np.pi / (effective + 1) * np.arange(1, effective + 1)))
    return ramp[np.clip(np.arange(size) - (size - effective) // 2, 0, effective - 1)]


def localize_simple(scores: Values, area: SearchArea, window: Values | None) -> Localization:  # (R, S, H, W), (H, W)
    """The highest score of all positions and scales; of equal ones that of the first scale, column and row."""
    score, index, place = _highest(_by_columns(scores if window is None else scores * window))
    displacement = _tables(scores).centered[place]
    translation = displacement * area.cell * of_scale(area.scale, index)[:, None]
    return Localization(0 * index, index, score, displacement, translation)


def localize_advanced(
    scores: Values,  # (R, S, H, W)
    area: SearchArea,
    pos: Values,  # (R, 2) previous position, image pixels
    target_sz: Values,  # (R, 2) h, w in image pixels
    params: DiMPParams,
    window: Values | None = None,  # (H, W)
) -> Localization:
    """DiMP's localization: of two peaks of like height the one near the previous position, with a flag.

    `not_found` below the score threshold, `hard_negative` where a distractor is seen and told apart, `uncertain`
    where it is not, else `normal`. The thresholds are products in the precision of the scores, as in pytracking.
    """
    height, width = scores.shape[2:]
    tables = _tables(scores)
    unwindowed = maps = _by_columns(scores)
    if window is not None and params.perform_hn_without_windowing:
        maps = _by_columns(scores * window)
    score, index, place = _highest(maps)
    first = tables.centered[place]

    crop_pos, crop_scale = of_scale(area.pos, index), of_scale(area.scale, index)[:, None]
    cell_pixels = crop_scale * area.cell  # image pixels per cell
    neighborhood = target_sz * params.target_neighborhood_scale / cell_pixels
    is_outside = ~_within(tables, tables.cells[place], neighborhood)
    second_score, second_place = _peak(of_scale(unwindowed, index) * is_outside)
    second = tables.centered[second_place]

    previous = (pos - crop_pos) / cell_pixels
    limit = params.displacement_scale * math.sqrt(height * width) / 2
    first_is_far, second_is_far = (((cell - previous) ** 2).sum(axis=1) ** 0.5 > limit for cell in (first, second))

    is_rival = second_score > params.distractor_threshold * score
    is_seen = second_score > params.hard_negative_threshold * score
    is_seen = is_seen & (second_score > params.target_not_found_threshold)
    # One more than the code of a hard negative is that of an uncertain target.
    flag = 1 * (is_rival | is_seen) + (is_rival & (first_is_far == second_is_far))
    weak = (  # the last one counts most
        (params.hard_sample_threshold, HARD_NEGATIVE),
        (params.uncertain_threshold, UNCERTAIN),
        (params.target_not_found_threshold, NOT_FOUND),
    )
    for threshold, code in weak:
        if threshold > -math.inf:
            flag = flag + (code - flag) * (score < threshold)
    is_moved = is_rival & (first_is_far > second_is_far) & (score >= max(threshold for threshold, _ in weak))
    displacement = first + (second - first) * is_moved[:, None]  # exact: halves of small integers
    return Localization(flag, index, score, displacement, displacement * area.cell * crop_scale)


def of_scale(values: Values, index: Values) -> Values:  # (R, S, ...), (R,) -> (R, ...)
    """What belongs to the chosen scale of each run."""
    if values.shape[1] == 1:
        return values[:, 0]
    return values[_range(len(values), _device(values)), index]


def _by_columns(scores: Values) -> Values:  # (R, S, H, W) -> (R, S, W * H)
    return scores.swapaxes(2, 3).reshape(*scores.shape[:2], -1)


def _highest(maps: Values) -> tuple[Values, Values, Values]:  # (R, S, K) -> score, scale, place of (R,) each
    score, place = _peak(maps.reshape(len(maps), -1))
    if maps.shape[1] == 1:
        return score, 0 * place, place
    return score, place // maps.shape[2], place % maps.shape[2]


def _peak(places: Values) -> tuple[Values, Values]:  # (R, K) -> the highest of each row, the first of equal ones
    place = places.argmax(axis=1)
    return places[_range(len(places), _device(places)), place], place


class _Tables(NamedTuple):
    """What belongs to each place of a map, column by column."""

    cells: Values  # (W * H, 2) float64: row and column
    centered: Values  # (W * H, 2), from the center of the map
    rows: Values  # (H,) float64
    columns: Values  # (W,)


def _within(tables: _Tables, cell: Values, extent: Values) -> Values:  # (R, 2), (R, 2) -> (R, W * H)
    """Whether places lie in a box of `extent` cells around a cell; rounded half to even, as Python does."""
    half = extent / 2
    start, stop = (cell - half).round(), (cell + half + 1).round()
    rows = (tables.rows >= start[:, :1]) & (tables.rows < stop[:, :1])  # (R, H)
    columns = (tables.columns >= start[:, 1:]) & (tables.columns < stop[:, 1:])
    return (columns[:, :, None] & rows[:, None, :]).reshape(len(cell), -1)


def _tables(scores: Values) -> _Tables:
    return _tables_of(*scores.shape[2:], _device(scores))


def _device(values: Values) -> torch.device | None:  # None: an array of numpy
    return values.device if isinstance(values, Tensor) else None


@functools.cache  # never emptied: CUDA graphs read it
def _tables_of(height: int, width: int, device: torch.device | None) -> _Tables:
    rows, columns = np.arange(height, dtype=float), np.arange(width, dtype=float)
    cells = np.stack((np.tile(rows, width), np.repeat(columns, height)), axis=1)
    arrays = (cells, cells - cells[-1] / 2, rows, columns)
    return _Tables(*(array if device is None else torch.from_numpy(array).to(device) for array in arrays))


@functools.cache
def _range(stop: int, device: torch.device | None) -> Values:
    return np.arange(stop) if device is None else torch.arange(stop, device=device)
