"""The search area of a frame: where its crops are taken."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ltr.common.types import Array, Image
from pytracking.features.crops import CropGeometry, crop, crop_geometry, sample_position, sample_scale
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.state import CropView


@dataclass(frozen=True)
class CropArea:
    """The S crops of one frame, one for each scale factor."""

    geometries: list[CropGeometry]
    crop_sz: tuple[int, int]
    pos: Array  # (S, 2) center in image pixels
    scale: Array  # (S,) image pixels per crop pixel
    factors: list[float]

    @classmethod
    def around(
        cls,
        center: Array,  # (2,) image pixels
        scale: float,  # image pixels per crop pixel
        factors: list[float],
        image_sz: Sequence[int],
        crop_sz: tuple[int, int],
        params: DiMPParams,
    ) -> "CropArea":
        """Crops around a position, kept inside the image as far as the border mode says."""
        geometries = [
            crop_geometry(
                np.array(image_sz),
                center,
                scale * factor * np.array(crop_sz),
                crop_sz,
                params.border_mode,
                params.patch_max_scale_change,
            )
            for factor in factors
        ]
        positions = np.array([sample_position(geometry.coords) for geometry in geometries])
        scales = np.array([sample_scale(geometry.coords, crop_sz) for geometry in geometries])
        return cls(geometries, crop_sz, positions, scales, factors)

    def cut(self, image: Image, device: torch.device, resize: str) -> Tensor:  # (S, 3, h, w) RGB 0..255
        """The crops of an image."""
        crops = [crop(image, geometry, self.crop_sz, device, resize) for geometry in self.geometries]
        return crops[0] if len(crops) == 1 else torch.cat(crops)

    def view(self, index: int) -> CropView:
        """Where one of the crops was taken."""
        return CropView(self.pos[index], float(self.scale[index]), self.crop_sz)


def crop_size(image_sz: Sequence[int], params: DiMPParams) -> tuple[int, int]:
    """Height and width of the crops that the network sees, in their pixels."""
    size = params.image_sample_size
    height, width = size if isinstance(size, Sequence) else (size, size)
    if params.use_image_aspect_ratio:
        stride = params.feature_stride
        ratio = np.array(image_sz) * np.sqrt(height * width / np.prod(image_sz))
        height, width = (int(extent) for extent in np.rint(ratio / stride) * stride)
    return height, width


def scale_factors(params: DiMPParams, frame_num: int) -> list[float]:
    """The scale factors that are searched in a frame."""
    factors = list(params.scale_factors)
    others = [factor for factor in factors if factor != 1]
    if not params.alternate_scales or not others:
        return factors
    return [1.0, others[frame_num % len(others)]]
