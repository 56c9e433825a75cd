"""Crops of images as tensors, under the names and with the conventions of pytracking.

Images are (1, C, H, W), positions and sizes are tensors (y, x) and (h, w) in pixels. The geometry is that of
`pytracking.features.crops`, which the trackers of this project use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Sequence as SequenceOf

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.common.types import Array
from pytracking.features.crops import CropGeometry, crop_geometry


def numpy_to_torch(a: Array) -> Tensor:  # (H, W, C) -> (1, C, H, W)
    """An image as a tensor of float32."""
    return torch.from_numpy(np.ascontiguousarray(a)).float().permute(2, 0, 1).unsqueeze(0)


def torch_to_numpy(a: Tensor) -> Array:  # (1, C, H, W) -> (H, W, C)
    """Inverse of `numpy_to_torch`, from any device."""
    array: Array = a.detach().cpu().squeeze(0).permute(1, 2, 0).numpy()
    return array


def sample_patch(
    im: Tensor,  # (1, C, H, W)
    pos: Tensor,  # (2,) y, x
    sample_sz: Tensor,  # (2,) h, w
    output_sz: Tensor | None = None,  # (2,) h, w; None: not resized
    mode: str = "replicate",
    max_scale_change: float | None = None,
    is_mask: bool = False,
) -> tuple[Tensor, Tensor]:  # (1, C, *output_sz), (1, 4) y1, x1, y2, x2
    """Crop around a position; its coordinates are int64, with exclusive ends.

    Images are resized bilinearly and their edge is repeated beyond the border; masks take the nearest pixel, and are 0
    there. Modes `inside` and `inside_major` shrink and shift the crop into the image. Raises ValueError for others.
    """
    size = None if output_sz is None else _size(output_sz)
    center, extent = (torch.as_tensor(numbers).double().cpu().numpy() for numbers in (pos, sample_sz))
    geometry = crop_geometry(np.array(im.shape[-2:]), center, extent, size, mode, max_scale_change)
    patch = _take(im, geometry, is_mask)
    if size is not None and tuple(patch.shape[-2:]) != size:
        patch = F.interpolate(patch, size, mode="nearest" if is_mask else "bilinear")
    return patch, torch.from_numpy(geometry.coords).view(1, 4)


def sample_patch_multiscale(
    im: Tensor,  # (1, C, H, W)
    pos: Tensor,  # (2,) y, x
    scales: float | Iterable[float],  # S
    image_sz: Tensor,  # (2,) h, w
    mode: str = "replicate",
    max_scale_change: float | None = None,
) -> tuple[Tensor, Tensor]:  # (S, C, *image_sz), (S, 4)
    """Crops of `image_sz` times each scale, resized to `image_sz`. Raises as `sample_patch`."""
    factors = [scales] if isinstance(scales, (int, float)) else scales
    found = [sample_patch(im, pos, s * image_sz, image_sz, mode, max_scale_change) for s in factors]
    patches, coords = zip(*found, strict=True)
    return torch.cat(patches), torch.cat(coords)


def sample_patch_transformed(
    im: Tensor,  # (1, C, H, W)
    pos: Tensor,  # (2,) y, x
    scale: float,
    image_sz: Tensor,  # (2,) h, w
    transforms: SequenceOf[Callable[..., Tensor]],  # T
    is_mask: bool = False,
) -> Tensor:  # (T, C, h', w')
    """Each transform of the crop of `scale` times `image_sz` that is resized to `image_sz`."""
    patch, _ = sample_patch(im, pos, scale * image_sz, image_sz, is_mask=is_mask)
    return torch.cat([transform(patch, is_mask=is_mask) for transform in transforms])


def _size(output_sz: Tensor) -> tuple[int, int]:
    height, width = torch.as_tensor(output_sz).long().tolist()
    return height, width


def _take(im: Tensor, geometry: CropGeometry, is_mask: bool) -> Tensor:
    """The pixels of a geometry; beyond the border those of the edge, or 0 of a mask."""
    step, (top, left) = geometry.step, geometry.offset.tolist()
    patch = im[..., top::step, left::step]
    for axis, low, high in zip((-2, -1), geometry.top_left.tolist(), geometry.bottom_right.tolist(), strict=True):
        index = torch.arange(low, high, device=im.device)
        nearest = index.clamp(0, patch.shape[axis] - 1)
        patch = patch.index_select(axis, nearest)
        if is_mask:
            inside = (index == nearest).to(patch.dtype)
            patch = patch * (inside[:, None] if axis == -2 else inside)
    return patch
