"""Position, size and scale of the target. Vectors are (y, x) or (h, w) in image pixels."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pytracking.tracker.base.initial_box import check_initial_box
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.utils.types import Array

Vectors = Any  # numpy array or tensor, of one kind throughout

SMALLEST_TARGET = 10.0  # pixels a side, bound of the scale search


@dataclass
class TargetState:
    pos: Array  # (2,) center
    size: Array  # (2,)
    scale: float  # image pixels per crop pixel of the search area
    base_size: Array  # (2,) size at scale 1
    image_sz: Array  # (2,)

    @classmethod
    def from_box(
        cls, box: list[float], image_sz: tuple[int, int], crop_sz: tuple[int, int], search_area_scale: float
    ) -> "TargetState":
        """State at the first frame.

        Raises ValueError for a box that is not finite, has no area, or does not meet the image.
        """
        x, y, w, h = check_initial_box(box, image_sz)
        size = np.array([h, w])
        scale = search_area_scale * math.sqrt(h * w / (crop_sz[0] * crop_sz[1]))
        return cls(np.array([y + (h - 1) / 2, x + (w - 1) / 2]), size, scale, size / scale, np.array(image_sz, float))

    def box(self) -> list[float]:
        """x, y, w, h; not clipped to the image."""
        y, x = self.pos - (self.size - 1) / 2
        return [float(x), float(y), float(self.size[1]), float(self.size[0])]

    def move(self, pos: Array, params: DiMPParams, scale: float | None = None) -> None:
        """Go to a position, kept such that a part of the target stays inside the image, and optionally a scale."""
        if scale is not None:
            lowest = max(SMALLEST_TARGET / self.base_size)
            highest = min(self.image_sz / self.base_size)
            self.scale = max(min(scale, highest), min(lowest, self.scale))
            self.size = self.base_size * self.scale
        self.pos = inside_image(pos, self.size, self.image_sz, params.target_inside_ratio)

    def follow_size(self) -> None:
        """The scale at which the target's area is that of `base_size` again."""
        self.scale = math.sqrt(self.size[0] * self.size[1] / (self.base_size[0] * self.base_size[1]))


def inside_image(pos: Vectors, size: Vectors, image_sz: Vectors, ratio: float) -> Vectors:  # (..., 2) each
    """The position next to `pos` at which at least that ratio of the target lies inside the image."""
    margin = (ratio - 0.5) * size
    return pos.clip(None, image_sz - margin).clip(margin, None)


def box_in_crop(
    pos: Vectors,  # (..., 2)
    size: Vectors,
    crop_pos: Vectors,
    crop_scale: float | Vectors,  # (..., 1)
    crop_sz: tuple[int, int],
) -> Vectors:  # (..., 4) float32 xywh in crop pixels
    """Box of a target in the pixels of a crop around `crop_pos`."""
    center, extent = (pos - crop_pos) / crop_scale, size / crop_scale
    y, x, h, w = center[..., 0], center[..., 1], extent[..., 0], extent[..., 1]
    left, top = x + (crop_sz[1] - 1) / 2 - (w - 1) / 2, y + (crop_sz[0] - 1) / 2 - (h - 1) / 2
    box = [left, top, w, h]
    if isinstance(pos, Tensor):
        return torch.stack(box, dim=-1).float()
    return np.array(box, np.float32) if pos.ndim == 1 else np.stack(box, axis=-1, dtype=np.float32)


def box_from_crop(
    box: Iterable[float], crop_pos: Array, crop_scale: float, crop_sz: tuple[int, int]
) -> tuple[Array, Array]:  # pos, size
    """Position and size of a box given in crop pixels.

    Its center is half a pixel from the inverse of `box_in_crop`: the IoU-Net was trained with this convention.
    """
    x, y, w, h = (float(value) for value in box)
    center = np.array([y + h / 2, x + w / 2])
    pos = (center - (np.array(crop_sz) - 1) / 2) * crop_scale + crop_pos
    return pos, np.array([h, w]) * crop_scale
