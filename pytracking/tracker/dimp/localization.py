"""Where the target is, and how far to trust it, from the score maps of one frame.

Vectors are (y, x). Displacements are in score cells from the center of the map, translations in image pixels.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ltr.common.types import Array
from ltr.models.target_classifier.kl_loss import map_softmax
from pytracking.tracker.dimp.params import DiMPParams

Flag = Literal["normal", "hard_negative", "uncertain", "not_found"]


@dataclass(frozen=True)
class SearchArea:
    """Where the S crops of one frame were taken, one for each scale."""

    pos: Array  # (S, 2) center in image pixels
    scale: Array  # (S,) image pixels per crop pixel
    cell: float  # crop pixels per score cell


@dataclass(frozen=True)
class Localization:
    flag: Flag
    scale_index: int
    score: float  # of the highest peak, without a window
    displacement: Array  # (2,)
    translation: Array  # (2,)


def preprocess_scores(
    scores: Tensor,  # (S, H, W)
    method: str,
    filter_size: int,
    softmax_reg: float | None = None,  # of the network's loss, see `map_softmax`
) -> Tensor:  # (S, H, W)
    """Optional exponential or softmax over the map, and sum over a neighborhood of odd `filter_size` cells.

    After a softmax the scores are probabilities of the target's place, and the thresholds are on these.
    """
    if method == "exp":
        scores = scores.exp()
    elif method == "softmax":
        scores = map_softmax(scores, softmax_reg)
    if filter_size > 1:
        if filter_size % 2 == 0:
            raise ValueError(f"expected an odd score_filter_ksz, found {filter_size}")
        scores = F.avg_pool2d(scores, filter_size, stride=1, padding=filter_size // 2, divisor_override=1)
    return scores


def hann_window(size: tuple[int, int], effective_size: tuple[int, int] | None = None) -> Array:  # (*size) float64
    """Hann window with its peak in the center; with an effective size, the edge of the smaller one is repeated."""
    return np.outer(*(_hann_ramp(n, e) for n, e in zip(size, effective_size or size, strict=True)))


def _hann_ramp(size: int, effective: int) -> Array:
    effective += (effective - size) % 2  # both have a cell in the center, or neither
    ramp = 0.5 * (1 - np.cos(2 * np.pi / (effective + 1) * np.arange(1, effective + 1)))
    return np.asarray(ramp[np.clip(np.arange(size) - (size - effective) // 2, 0, effective - 1)])


def localize(
    scores: Array,  # (S, H, W) float32, preprocessed
    area: SearchArea,
    pos: Array,  # (2,) previous position, image pixels
    target_sz: Array,  # (2,) h, w in image pixels
    params: DiMPParams,
    window: Array | None = None,  # (H, W) of the scores' dtype
) -> Localization:
    """The target in the score maps of a frame, by the rule that the parameters choose."""
    if params.advanced_localization:
        return localize_advanced(scores, area, pos, target_sz, params, window)
    return localize_simple(scores, area)


def localize_simple(scores: Array, area: SearchArea) -> Localization:  # (S, H, W)
    """The highest score of all positions and scales; a window is not used, as in pytracking."""
    scale_index = _best_scale(scores)
    peak = _highest(scores[scale_index])
    return Localization("normal", scale_index, float(peak.score), *_moved(peak, scale_index, area))


def localize_advanced(
    scores: Array,  # (S, H, W)
    area: SearchArea,
    pos: Array,  # (2,) previous position, image pixels
    target_sz: Array,  # (2,) h, w in image pixels
    params: DiMPParams,
    window: Array | None = None,  # (H, W) of the scores' dtype
) -> Localization:
    """DiMP's localization: of two peaks of like height the one near the previous position, with a flag.

    With `perform_hn_without_windowing` the first peak is that of the windowed scores, the second one and what is
    reported that of the scores without it; otherwise a window has no effect, as in pytracking. The thresholds are
    products in the precision of the scores, as there.
    """
    windowed = scores
    if window is not None and params.perform_hn_without_windowing:
        windowed = scores * window
    scale_index = _best_scale(windowed)
    first = _highest(windowed[scale_index])
    unwindowed = scores[scale_index]
    score = float(unwindowed.max())

    def found(flag: Flag, peak: _Peak) -> Localization:
        return Localization(flag, scale_index, score, *_moved(peak, scale_index, area))

    if (weakness := _weakness(first, params)) is not None:
        return found(weakness, first)

    # The second peak lies outside the target's neighborhood. How far are both from where the target was?
    cell_pixels = area.scale[scale_index] * area.cell  # image pixels per cell
    neighborhood = target_sz * params.target_neighborhood_scale / cell_pixels
    second = _highest(_without(unwindowed, first.cell, neighborhood))
    previous = (pos - area.pos[scale_index]) / cell_pixels
    limit = params.displacement_scale * math.sqrt(unwindowed.size) / 2
    first_is_far, second_is_far = (math.dist(peak.displacement, previous) > limit for peak in (first, second))

    # A distractor, nearly as high: the peak near the previous position is the target, if only one of them is near.
    if second.score > params.distractor_threshold * first.score:
        if first_is_far == second_is_far:
            return found("uncertain", first)
        return found("hard_negative", second if first_is_far else first)

    # A lower one is told apart, but worth learning from.
    is_distinct = second.score > params.target_not_found_threshold
    if is_distinct and second.score > params.hard_negative_threshold * first.score:
        return found("hard_negative", first)
    return found("normal", first)


class _Peak(NamedTuple):
    score: np.floating
    cell: Array  # (2,) row and column, float64
    displacement: Array  # (2,) of the cell from the center of the map


def _weakness(peak: _Peak, params: DiMPParams) -> Flag | None:
    """The flag of a peak that is too weak to be compared with a second one; None for others."""
    if peak.score < params.target_not_found_threshold:
        return "not_found"
    if peak.score < params.uncertain_threshold:
        return "uncertain"
    if peak.score < params.hard_sample_threshold:
        return "hard_negative"
    return None


def _best_scale(maps: Array) -> int:  # (S, H, W) -> the scale of the highest score, the first of equal ones
    return int(maps.max(axis=(1, 2)).argmax())


def _highest(scores: Array) -> _Peak:  # (H, W)
    """The highest score; of equal ones that of the first column, and there of the first row."""
    column, row = divmod(int(scores.T.argmax()), len(scores))
    cell = np.array([row, column], np.float64)
    return _Peak(scores[row, column], cell, cell - (np.array(scores.shape) - 1) / 2)


def _without(scores: Array, cell: Array, extent: Array) -> Array:  # (H, W), (2,), (2,) -> (H, W)
    """The scores with zeros in a box of `extent` cells around a cell; its edges are rounded half to even."""
    rows, columns = (
        slice(max(round(at - size / 2), 0), max(round(at + size / 2 + 1), 0))
        for at, size in zip(cell.tolist(), extent.tolist(), strict=True)
    )
    masked = scores.copy()
    masked[rows, columns] = 0
    return masked


def _moved(peak: _Peak, scale_index: int, area: SearchArea) -> tuple[Array, Array]:
    """The displacement of a peak, and its translation in image pixels."""
    return peak.displacement, peak.displacement * area.cell * area.scale[scale_index]
