"""Where the target is, and how far to trust it, from score maps.

Vectors are (y, x). Displacements are in score cells from the center of the map, translations in image pixels.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pytracking.tracker.dimp.params import DiMPParams
from pytracking.utils.types import Array

Flag = Literal["normal", "hard_negative", "uncertain", "not_found"]


@dataclass(frozen=True)
class SearchArea:
    """Where the S crops of one frame were taken, one for each scale."""

    pos: Array  # (S, 2) center in image pixels
    scale: Array  # (S,) image pixels per crop pixel
    cell: float  # crop pixels per score cell

    def translation(self, displacement: Array, index: int) -> Array:
        return displacement * self.cell * self.scale[index]


@dataclass(frozen=True)
class Localization:
    displacement: Array  # (2,)
    translation: Array  # (2,)
    scale_index: int
    score: np.floating  # of the highest peak, which is not always the chosen one
    flag: Flag


def preprocess_scores(scores: Array, method: str, filter_size: int) -> Array:  # (S, H, W)
    """Optional exponential or softmax over the map, and sum over a neighborhood of odd `filter_size` cells."""
    if method == "exp":
        scores = np.exp(scores)
    elif method == "softmax":
        scores = np.exp(scores - scores.max(axis=(1, 2), keepdims=True))
        scores = scores / scores.sum(axis=(1, 2), keepdims=True)
    if filter_size > 1:
        if filter_size % 2 == 0:
            raise ValueError(f"expected an odd score_filter_ksz, found {filter_size}")
        margin = filter_size // 2
        padded = np.pad(scores, ((0, 0), (margin, margin), (margin, margin)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (filter_size, filter_size), axis=(1, 2))
        scores = windows.sum(axis=(3, 4))
    return scores


def hann_window(size: tuple[int, int], effective_size: tuple[int, int] | None = None) -> Array:  # (*size)
    """Hann window with its peak in the center; with an effective size, the edge of the smaller one is repeated."""
    return np.outer(*(_hann_ramp(n, e) for n, e in zip(size, effective_size or size, strict=True)))


def _hann_ramp(size: int, effective: int) -> Array:
    effective += (effective - size) % 2  # both have a cell in the center, or neither
    ramp = 0.5 * (1 - np.cos(2 * np.pi / (effective + 1) * np.arange(1, effective + 1)))
    return ramp[np.clip(np.arange(size) - (size - effective) // 2, 0, effective - 1)]


def peak(scores: Array) -> tuple[Array, np.floating]:  # (H, W) -> (row, column), value
    """Maximum of a map; of equal ones that of the smallest column, then row.

    The value keeps the map's precision: the thresholds below are products in float32, as in pytracking.
    """
    column, row = divmod(int(np.argmax(scores.T)), scores.shape[0])
    return np.array([row, column]), scores[row, column]


def localize_simple(scores: Array, area: SearchArea, window: Array | None) -> Localization:
    """The highest score of all positions and scales."""
    windowed = scores if window is None else scores * window
    peaks = [peak(score_map) for score_map in windowed]
    index = int(np.argmax([value for _, value in peaks]))
    cell, score = peaks[index]
    displacement = cell - (np.array(scores.shape[1:]) - 1) / 2
    return Localization(displacement, area.translation(displacement, index), index, score, "normal")


def localize_advanced(
    scores: Array,  # (S, H, W)
    area: SearchArea,
    pos: Array,  # (2,) previous position, image pixels
    target_sz: Array,  # (2,) h, w in image pixels
    params: DiMPParams,
    window: Array | None = None,  # (H, W)
) -> Localization:
    """DiMP's localization: of two peaks of like height the one near the previous position, with a flag.

    `not_found` below the score threshold, `hard_negative` where a distractor is seen and told apart, `uncertain`
    where it is not, else `normal`.
    """
    unwindowed = scores
    if window is not None and params.perform_hn_without_windowing:
        scores = scores * window
    first = localize_simple(scores, area, None)
    index, score = first.scale_index, first.score
    if score < params.target_not_found_threshold:
        return Localization(first.displacement, first.translation, index, score, "not_found")
    if score < params.uncertain_threshold:
        return Localization(first.displacement, first.translation, index, score, "uncertain")
    if score < params.hard_sample_threshold:
        return Localization(first.displacement, first.translation, index, score, "hard_negative")

    size = np.array(scores.shape[1:])
    center = (size - 1) / 2
    cell_pixels = area.cell * area.scale[index]  # image pixels per cell
    neighborhood = params.target_neighborhood_scale * target_sz / cell_pixels
    masked = _without_neighborhood(unwindowed[index], first.displacement + center, neighborhood)
    second_cell, second_score = peak(masked)
    displacement = second_cell - center

    previous = (pos - area.pos[index]) / cell_pixels
    limit = params.displacement_scale * math.sqrt(size[0] * size[1]) / 2
    first_is_far = np.linalg.norm(first.displacement - previous) > limit
    second_is_far = np.linalg.norm(displacement - previous) > limit

    chosen, flag = first.displacement, "normal"
    if second_score > params.distractor_threshold * score:
        if second_is_far == first_is_far:
            flag = "uncertain"
        else:
            flag = "hard_negative"
            chosen = displacement if first_is_far else first.displacement
    elif second_score > params.hard_negative_threshold * score and second_score > params.target_not_found_threshold:
        flag = "hard_negative"
    return Localization(chosen, area.translation(chosen, index), index, score, flag)  # type: ignore[arg-type]


def _without_neighborhood(score_map: Array, cell: Array, extent: Array) -> Array:
    """Copy of a map with a box of `extent` cells around a cell set to zero; Python's rounding, half to even."""
    masked = score_map.copy()
    start = [max(round(c - e / 2), 0) for c, e in zip(cell.tolist(), extent.tolist(), strict=True)]
    stop = [max(round(c + e / 2 + 1), 0) for c, e in zip(cell.tolist(), extent.tolist(), strict=True)]
    masked[start[0] : stop[0], start[1] : stop[1]] = 0
    return masked
