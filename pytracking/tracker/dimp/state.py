"""Position, size and scale of the target. Vectors are (y, x) or (h, w) in image pixels."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ltr.common.types import Array

SMALLEST_TARGET = 10.0  # pixels a side, bound of the scale search
SMALLEST_BOX = 1.0  # pixels a side, bound of refined boxes: on something else than a target they may shrink for ever


@dataclass
class TargetState:
    pos: Array  # (2,) center
    size: Array  # (2,)
    scale: float  # image pixels per crop pixel of the search area
    base_size: Array  # (2,) size at scale 1
    image_sz: Array  # (2,) of the present image

    @classmethod
    def from_box(
        cls, box: list[float], image_sz: tuple[int, int], crop_sz: tuple[int, int], search_area_scale: float
    ) -> "TargetState":
        """State at the first frame."""
        x, y, w, h = box
        size = np.array([h, w])
        scale = search_area_scale * math.sqrt(h * w / (crop_sz[0] * crop_sz[1]))
        return cls(np.array([y + (h - 1) / 2, x + (w - 1) / 2]), size, scale, size / scale, np.array(image_sz, float))

    def box(self) -> list[float]:
        """x, y, w, h; not clipped to the image."""
        y, x = self.pos - (self.size - 1) / 2
        return [float(x), float(y), float(self.size[1]), float(self.size[0])]

    def inside_image(self, pos: Array, ratio: float) -> Array:  # (2,) -> (2,)
        """The position next to `pos` at which at least that ratio of the target lies inside the image."""
        margin = (ratio - 0.5) * self.size
        return pos.clip(None, self.image_sz - margin).clip(margin, None)

    def take_scale(self, scale: float) -> None:
        """Take a scale over, and the size that goes with it, neither tiny nor larger than the image."""
        lowest = max(SMALLEST_TARGET / self.base_size)
        highest = min(self.image_sz / self.base_size)
        self.scale = max(min(scale, highest), min(lowest, self.scale))
        self.size = self.base_size * self.scale

    def follow_size(self) -> None:
        """The scale at which the target's area is that of `base_size` again; no side is below a pixel."""
        self.size = self.size.clip(SMALLEST_BOX, None)
        self.scale = math.sqrt(self.size[0] * self.size[1] / (self.base_size[0] * self.base_size[1]))


@dataclass(frozen=True)
class CropView:
    """Where a crop of an image was taken."""

    pos: Array  # (2,) center
    scale: float  # image pixels per crop pixel
    crop_sz: tuple[int, int]

    def box_of(self, target: TargetState) -> Array:  # (4,) float32 xywh in crop pixels
        """The target's box in the pixels of the crop."""
        return box_in_crop(target.pos, target.size, self.pos, self.scale, self.crop_sz)


def box_in_crop(
    pos: Array,  # (2,)
    size: Array,  # (2,)
    crop_pos: Array,  # (2,)
    crop_scale: float,
    crop_sz: tuple[int, int],
) -> Array:  # (4,) float32 xywh in crop pixels
    """Box of a target in the pixels of a crop around `crop_pos`."""
    (y, x), (h, w) = (pos - crop_pos) / crop_scale, size / crop_scale
    left, top = x + (crop_sz[1] - 1) / 2 - (w - 1) / 2, y + (crop_sz[0] - 1) / 2 - (h - 1) / 2
    return np.array([left, top, w, h], np.float32)


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


def trusted_share(score: float, full_score: float | None) -> float:
    """How far to go from the last box, moved by the classifier, to the refined one: 0...1.

    An occluded or blurred target has low scores, and refinement then finds its visible part. Without `full_score` the
    refined box is always taken.
    """
    if full_score is None:
        return 1.0
    return min(max(score / full_score, 0.0), 1.0) ** 2
