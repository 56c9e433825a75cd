"""The search for the target in the crops of a frame: scores, localization and box in one go, with nothing read back.

R runs in lock-step, S crops of each (one for each scale), n random boxes of each.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ltr.models.layers.filter import apply_filters
from pytracking.tracker.dimp.localization import (
    FLAGS,
    NOT_FOUND,
    Flag,
    Localization,
    SearchArea,
    Values,
    localize_advanced,
    localize_simple,
    of_scale,
    preprocess_scores,
)
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.state import TargetState, box_in_crop, inside_image
from pytracking.utils.types import Array

# What of the parameters the search depends on: runs that differ in others are searched together.
SEARCH_PARAMS = (
    "advanced_localization",
    "displacement_scale",
    "distractor_threshold",
    "effective_search_area",
    "hard_negative_threshold",
    "hard_sample_threshold",
    "perform_hn_without_windowing",
    "scale_penalty",
    "score_filter_ksz",
    "score_preprocess",
    "search_area_scale",
    "target_inside_ratio",
    "target_neighborhood_scale",
    "target_not_found_threshold",
    "uncertain_threshold",
    "use_classifier",
    "use_clipped_window",
    "window_output",
)


@dataclass(frozen=True)
class CropArea:
    """Where the S crops of one frame were taken."""

    pos: Array  # (S, 2) center in image pixels
    scale: Array  # (S,) image pixels per crop pixel
    factors: list[float]  # scale factors


class FrameState(NamedTuple):
    """What the search must know beside the features, float64."""

    pos: Values  # (R, 2) of the target, image pixels
    size: Values  # (R, 2)
    image_sz: Values  # (R, 2)
    crop_pos: Values  # (R, S, 2)
    crop_scale: Values  # (R, S)
    penalty: Values  # (R, S) factors on the scores
    jitter: Values  # (R, n, 4)


def pack_state(target: TargetState, area: CropArea, jitter: Tensor, scale_penalty: float) -> Array:
    """A run's `FrameState` as one vector (6 + 4 S + 4 n,) float64, so that it takes one transfer."""
    penalty = [1.0 if factor == 1 else scale_penalty for factor in area.factors]
    vectors = (target.pos, target.size, target.image_sz, area.pos.ravel(), area.scale, penalty, jitter.numpy().ravel())
    return np.concatenate(vectors)


def unpack_state(state: Values, scales: int) -> FrameState:  # (R, 6 + 4 S + 4 n)
    runs, crops = len(state), 6 + 2 * scales
    return FrameState(
        pos=state[:, :2],
        size=state[:, 2:4],
        image_sz=state[:, 4:6],
        crop_pos=state[:, 6:crops].reshape(runs, scales, 2),
        crop_scale=state[:, crops : crops + scales],
        penalty=state[:, crops + scales : crops + 2 * scales],
        jitter=state[:, crops + 2 * scales :].reshape(runs, -1, 4),
    )


@dataclass(frozen=True)
class Found:
    """What the host gets to know of a run's search."""

    flag: Flag
    scale_index: int
    score: float  # of the highest peak, which is not always the chosen one
    translation: Array  # (2,) from the center of the chosen crop, image pixels
    box: list[float] | None  # xywh in crop pixels; None where none is searched for or every one is too elongated
    scores: Tensor  # (S, H, W), still on the device


def read_row(row: list[float], scores: Tensor) -> Found:
    """From flag, scale index, score, translation (2), and from a `BoxSearch` whether there is a box, and the box."""
    flag, index, score, *translation = row[:5]
    box = row[6:] if any(row[5:6]) else None
    return Found(FLAGS[int(flag)], int(index), score, np.array(translation), box, scores)


class BoxSearch(Protocol):
    """Finds the boxes of targets once these are localized: `IoUBoxes`, `RidgeBoxes`."""

    @property
    def learnt(self) -> tuple[Tensor, ...]:
        """What it knows of a target, (1, ...) each; those of several targets are joined for a call."""

    @property
    def key(self) -> Hashable:
        """Searches with equal keys differ in what they have learnt alone."""

    def __call__(
        self,
        learnt: Sequence[Tensor],  # (R, ...) each
        layers: Sequence[Tensor],  # (R, C, H, W) each, of the crops in which the targets were found
        box: Values,  # (R, 4) float32 xywh in crop pixels, moved to where they were found
        jitter: Values,  # (R, n, 4)
    ) -> Tensor:  # (R, 5) float64: whether there is a box, and the box
        ...


@dataclass(frozen=True, eq=False)
class FrameSearch:
    """What of the search stays the same while a target is tracked."""

    params: DiMPParams
    crop_sz: tuple[int, int]
    cell: float  # crop pixels per score cell
    window: Tensor | None  # (H', W') on the scores
    boxes: BoxSearch | None  # None: the target keeps its size, or takes that of a scale

    @property
    def learnt(self) -> tuple[Tensor, ...]:
        return () if self.boxes is None else self.boxes.learnt

    @cached_property
    def key(self) -> Hashable:
        """Searches with equal keys can be made together."""
        window = None if self.window is None else self.window.shape
        boxes = None if self.boxes is None else self.boxes.key
        shapes = tuple(tensor.shape for tensor in self.learnt)
        numbers = repr([getattr(self.params, name) for name in SEARCH_PARAMS])
        return self.crop_sz, self.cell, window, boxes, shapes, numbers

    def __call__(
        self,
        filters: Tensor,  # (R, C, k, k)
        features: Tensor,  # (R, S, C, H, W)
        state: Tensor,  # (R, 6 + 4 S + 4 n), see `pack_state`
        *rest: Tensor,  # the window if there is one; for boxes what is learnt (R, ...), then layers (R S, C, H, W)
    ) -> tuple[Tensor, Tensor]:  # (R, 5 or 10) float64 for `read_row`, (R, S, H', W') scores
        """Search for all targets. On a GPU no tensor of the host is used, so that CUDA graphs can record it."""
        window = None if self.window is None else rest[0]
        rest = rest[0 if window is None else 1 :]
        scores = apply_filters(features, filters)
        frame = unpack_state(state.numpy() if reads_are_free(state) else state, features.shape[1])
        found = localize(scores, frame, self, window)
        columns = [found.flag[:, None], found.scale_index[:, None], found.score[:, None], found.translation]
        if self.boxes is None:
            return _rows(columns), scores
        boxes = state.new_zeros(len(state), 5)
        if runs := _runs_to_refine(found.flag):
            found = Localization(*(field[runs] for field in found))
            frame = FrameState(*(field[runs] for field in frame))
            learnt = [tensor[runs] for tensor in rest[: len(self.learnt)]]
            # With the channels last in memory, as the convolutions want them.
            layers = [
                of_scale(layer.unflatten(0, features.shape[:2])[runs].movedim(2, -1), found.scale_index).movedim(-1, 1)
                for layer in rest[len(self.learnt) :]
            ]
            boxes[runs] = self.boxes(learnt, layers, self._box(found, frame), frame.jitter)
        return torch.cat((_rows(columns), boxes), dim=1), scores

    def _box(self, found: Localization, frame: FrameState) -> Values:  # (R, 4) xywh in the chosen crops
        """Boxes of the targets, once these have moved to where they were found."""
        params, chosen, pos = self.params, found.scale_index, frame.pos
        crop_pos, crop_scale = of_scale(frame.crop_pos, chosen), of_scale(frame.crop_scale, chosen)[:, None]
        if params.use_classifier:
            pos = inside_image(crop_pos + found.translation, frame.size, frame.image_sz, params.target_inside_ratio)
        return box_in_crop(pos, frame.size, crop_pos, crop_scale, self.crop_sz)


def reads_are_free(values: Tensor) -> bool:
    """Whether the host may look at them without waiting for a device."""
    return values.device.type == "cpu"


def localize(scores: Tensor, frame: FrameState, search: FrameSearch, window: Values | None) -> Localization:
    """Targets in score maps (R, S, H, W), by the rule that the parameters choose."""
    params = search.params
    scores = preprocess_scores(scores, params.score_preprocess, params.score_filter_ksz)
    maps: Values = scores
    if reads_are_free(scores):
        maps, window = scores.numpy(), None if window is None else window.numpy()
    if params.scale_penalty != 1:
        penalty = (
            frame.penalty.to(scores.dtype) if isinstance(frame.penalty, Tensor) else frame.penalty.astype(maps.dtype)
        )
        maps = maps * penalty[:, :, None, None]
    area = SearchArea(frame.crop_pos, frame.crop_scale, search.cell)
    if params.advanced_localization:
        return localize_advanced(maps, area, frame.pos, frame.size, params, window)
    return localize_simple(maps, area, window)


def _runs_to_refine(flag: Values) -> list[int] | slice:
    """Runs whose target was found. On a device that would have to be asked all are refined, and some in vain."""
    if isinstance(flag, Tensor):
        return slice(None)
    runs = np.flatnonzero(flag != NOT_FOUND).tolist()
    return slice(None) if len(runs) == len(flag) else runs


def _rows(columns: list[Values]) -> Tensor:  # (R, m) each -> (R, M) float64
    if isinstance(columns[0], Tensor):
        return torch.cat([column.double() for column in columns], dim=1)
    return torch.from_numpy(np.concatenate(columns, axis=1, dtype=np.float64))
