"""Search-area crops of images as arrays; `preprocessing` offers them for tensors.

Positions and sizes are (y, x) and (h, w). The geometry is that of pytracking before May 2022 (integer rounding),
with which the published networks were evaluated; the later version makes even crops one pixel too wide.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.common.transfer import upload
from ltr.common.types import Array

BORDER_MODES = ("replicate", "inside", "inside_major")


@dataclass(frozen=True)
class CropGeometry:
    """Which pixels a crop takes: rows `offset + step * (top_left .. bottom_right)`, likewise columns."""

    step: int  # every step-th pixel, so that the resize never shrinks by much more than two
    offset: Array  # (2,) int
    top_left: Array  # (2,) int, in the subsampled image
    bottom_right: Array  # (2,) int, exclusive

    @property
    def coords(self) -> Array:  # (4,) y1, x1, y2, x2, exclusive ends
        """Corners in image pixels; the subsampling offset is not part of it, as in pytracking."""
        return self.step * np.concatenate((self.top_left, self.bottom_right))

    @property
    def pixels(self) -> int:
        height, width = (self.bottom_right - self.top_left).tolist()
        return int(height * width)


def crop_geometry(
    image_sz: Array,  # (2,) h, w
    pos: Array,  # (2,) center y, x
    sample_sz: Array,  # (2,) extent in image pixels
    output_sz: tuple[int, int] | None,  # h, w of the resized crop
    border_mode: str = "replicate",
    max_scale_change: float | None = None,
) -> CropGeometry:
    """Geometry of a crop; modes `inside` and `inside_major` shrink and shift it into the image as far as they may."""
    if border_mode not in BORDER_MODES:
        raise ValueError(f"expected a border mode of {BORDER_MODES}, found '{border_mode}'")
    inside = border_mode != "replicate"
    if inside:
        ratio = sample_sz / image_sz
        shrink = np.clip(ratio.max() if border_mode == "inside" else ratio.min(), 1, max_scale_change)
        sample_sz = np.trunc(sample_sz / shrink)
    step = 1
    if output_sz is not None:
        step = max(int(min(sample_sz / np.array(output_sz)) - 0.1), 1)

    whole_pos = np.trunc(pos).astype(int)
    offset = whole_pos % step
    center = (whole_pos - offset) // step
    size = np.maximum(np.rint(sample_sz / step), 2).astype(int)
    top_left = center - (size - 1) // 2
    bottom_right = center + size // 2 + 1
    if inside:
        limit = -(-(image_sz.astype(int) - offset) // step)  # extent of the subsampled image
        shift = np.maximum(-top_left, 0) - np.maximum(bottom_right - limit, 0)
        top_left, bottom_right = top_left + shift, bottom_right + shift
        overflow = (np.maximum(-top_left, 0) + np.maximum(bottom_right - limit, 0)) // 2
        shift = np.where(overflow > 0, -top_left - overflow, 0)
        top_left, bottom_right = top_left + shift, bottom_right + shift
    return CropGeometry(step, offset, top_left, bottom_right)


def crop_around(
    image: Array,  # (H, W, 3) uint8
    pos: Array,  # (2,) y, x
    sample_sz: Array,  # (2,) h, w
    output_sz: tuple[int, int] | None = None,
    border_mode: str = "replicate",
    max_scale_change: float | None = None,
    device: torch.device | str = "cpu",
    resize: str = "torch",
) -> tuple[Tensor, Array]:  # (1, 3, *output_sz) float 0..255; (4,) y1, x1, y2, x2
    """Crop around a position, resized bilinearly; beyond the border the image's edge is repeated. See `crop`."""
    geometry = crop_geometry(np.array(image.shape[:2]), pos, sample_sz, output_sz, border_mode, max_scale_change)
    return crop(image, geometry, output_sz, device, resize), geometry.coords


def crop(
    image: Array,  # (H, W, 3) uint8
    geometry: CropGeometry,
    output_sz: tuple[int, int] | None,
    device: torch.device | str = "cpu",
    resize: str = "torch",
) -> Tensor:  # (1, 3, *output_sz) float 0..255
    """The pixels of a geometry, resized bilinearly.

    On a CPU `resize` "opencv" takes a sixth of the time of "torch". They differ by some .01 gray levels: the
    coordinates of torch, which the published networks were evaluated with, have the rounding of float32.
    """
    device = torch.device(device)
    if resize == "opencv" and device.type == "cpu" and output_sz is not None:
        pixels = _take(image, geometry)
        # Several times faster than numpy's astype; an image may be mirrored in memory, as a tensor may not.
        pixels = torch.from_numpy(pixels if min(pixels.strides) > 0 else pixels.copy()).float().numpy()
        resized = cv2.resize(pixels, output_sz[::-1], interpolation=cv2.INTER_LINEAR)
        return torch.from_numpy(resized).permute(2, 0, 1)[None]
    patch = (
        upload(torch.from_numpy(np.ascontiguousarray(_take(image, geometry))), device).permute(2, 0, 1)[None].float()
    )
    if output_sz is not None and patch.shape[-2:] != output_sz:
        patch = F.interpolate(patch, output_sz, mode="bilinear", align_corners=False)
    return patch


def _take(image: Array, geometry: CropGeometry) -> Array:
    step, (y1, x1), (y2, x2) = geometry.step, geometry.top_left, geometry.bottom_right
    subsampled = image[geometry.offset[0] :: step, geometry.offset[1] :: step]  # its last samples are repeated
    height, width = subsampled.shape[:2]
    inside = subsampled[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
    top, bottom, left, right = (int(max(extent, 0)) for extent in (-y1, y2 - height, -x1, x2 - width))
    if not (top or bottom or left or right):
        return inside
    if inside.size:
        return cv2.copyMakeBorder(np.ascontiguousarray(inside), top, bottom, left, right, cv2.BORDER_REPLICATE)
    rows, columns = (np.clip(np.arange(low, high), 0, n - 1) for low, high, n in ((y1, y2, height), (x1, x2, width)))
    return np.take(np.take(subsampled, rows, axis=0), columns, axis=1)


def sample_position(coords: Array) -> Array:  # (4,) -> (2,) y, x
    """Center of a crop in image pixels."""
    return 0.5 * (coords[:2] + coords[2:] - 1)


def sample_scale(coords: Array, output_sz: tuple[int, int]) -> float:
    """Image pixels per crop pixel."""
    y1, x1, y2, x2 = coords.tolist()
    return math.sqrt((y2 - y1) / output_sz[0] * ((x2 - x1) / output_sz[1]))
