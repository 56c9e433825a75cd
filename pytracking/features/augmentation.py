"""Augmentation of the first frame: transforms of one large patch, each ending in a center crop moved by a shift.

Classes and arguments are pytracking's. Patches are (1, C, H, W) tensors, or (H, W, C) arrays, which come back as such.
Shifts and sizes are (y, x) and (h, w) pixels; a positive shift moves the content down or right.
"""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.common.types import Array
from pytracking.features.preprocessing import numpy_to_torch, torch_to_numpy

Shift = tuple[int, int]
Size = tuple[int, int]


class Transform:
    """Base of the transforms: `warp` changes the whole patch, the call crops it."""

    def __init__(self, output_sz: Size | None = None, shift: Shift | None = None) -> None:
        self.output_sz = output_sz  # None: that of the patch
        self.shift = (0, 0) if shift is None else shift

    def __call__(self, image: Any, is_mask: bool = False) -> Any:
        if isinstance(image, Tensor):
            return self.crop_to_output(self.warp(image, is_mask))
        result = torch_to_numpy(self(numpy_to_torch(image), is_mask))
        return result.round().astype(image.dtype) if image.dtype.kind in "ui" else result.astype(image.dtype)

    def warp(self, patch: Tensor, is_mask: bool = False) -> Tensor:
        """The whole patch, transformed; a mask is the same but where a transform says so."""
        return patch

    def crop_to_output(self, image: Tensor) -> Tensor:
        """Center crop of the transform's size, moved by its shift."""
        height, width = image.shape[-2:]
        return center_crop(image, self.output_sz or (height, width), self.shift)


class Identity(Transform):
    """The center crop alone."""


class FlipHorizontal(Transform):
    """Left and right exchanged."""

    def warp(self, patch: Tensor, is_mask: bool = False) -> Tensor:
        return patch.flip(3)


class FlipVertical(Transform):
    """Top and bottom exchanged."""

    def warp(self, patch: Tensor, is_mask: bool = False) -> Tensor:
        return patch.flip(2)


class Translation(Transform):
    """The content moved by (y, x) whole pixels, which are added to the shift."""

    def __init__(self, translation: Shift, output_sz: Size | None = None, shift: Shift | None = None) -> None:
        super().__init__(output_sz, shift)
        self.shift = (self.shift[0] + translation[0], self.shift[1] + translation[1])


class Scale(Transform):
    """The picture shrunk: `scale_factor` pixels become one, so that 2 halves it."""

    def __init__(self, scale_factor: float, output_sz: Size | None = None, shift: Shift | None = None) -> None:
        super().__init__(output_sz, shift)
        self.scale_factor = scale_factor

    def warp(self, patch: Tensor, is_mask: bool = False) -> Tensor:
        """The patch resized, by an even number of pixels so that its center stays where it is."""
        sizes = [(extent, round(extent / self.scale_factor)) for extent in patch.shape[-2:]]
        size = [new + (new - extent) % 2 for extent, new in sizes]
        return F.interpolate(patch, size, mode="bilinear", align_corners=False)


class Affine(Transform):
    """Pixel (x, y) goes to M (x, y, 1), M (2, 3); the edge is repeated."""

    def __init__(self, transform_matrix: Array, output_sz: Size | None = None, shift: Shift | None = None) -> None:
        super().__init__(output_sz, shift)
        self.transform_matrix = np.asarray(transform_matrix, dtype=np.float64)

    def warp(self, patch: Tensor, is_mask: bool = False) -> Tensor:
        return resampled(patch, normalized_inverse(self.transform_matrix, patch), "bilinear", "border")


class Rotate(Transform):
    """Rotation about the center by degrees against the clock; the edge is repeated."""

    def __init__(self, angle: float, output_sz: Size | None = None, shift: Shift | None = None) -> None:
        super().__init__(output_sz, shift)
        self.angle = angle

    def warp(self, patch: Tensor, is_mask: bool = False) -> Tensor:
        """Rotation about the center, bilinear: (x, y) goes to R (x, y) with R = [[c, s], [-s, c]]."""
        radians = math.radians(self.angle)
        cosine, sine = math.cos(radians), math.sin(radians)
        # The inverse rotation, in coordinates from -1 to 1 whose units differ where the patch is no square.
        height, width = patch.shape[-2] - 1, patch.shape[-1] - 1
        inverse = [[cosine, -sine * (height / width), 0.0], [sine * (width / height), cosine, 0.0]]
        return resampled(patch, np.array(inverse), "bilinear", "border")


class Blur(Transform):
    """Gaussian blur with one deviation in pixels, or one for y and one for x."""

    def __init__(
        self, sigma: float | tuple[float, float], output_sz: Size | None = None, shift: Shift | None = None
    ) -> None:
        super().__init__(output_sz, shift)
        self.sigma = (sigma, sigma) if isinstance(sigma, (int, float)) else sigma

    def warp(self, patch: Tensor, is_mask: bool = False) -> Tensor:
        """Separable Gaussian of radius ceil(2 sigma), zero outside of the patch."""
        channels = patch.transpose(0, 1)  # (3, 1, S, S): the same kernel for every channel
        for axis, sigma in zip((2, 3), self.sigma, strict=True):
            radius = math.ceil(2 * sigma)
            taps = torch.arange(-radius, radius + 1, dtype=patch.dtype, device=patch.device)
            kernel = torch.exp(-taps.square() / (2 * sigma**2))
            kernel = (kernel / kernel.sum()).reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))
            channels = F.conv2d(channels, kernel, padding=(radius, 0) if axis == 2 else (0, radius))
        return channels.transpose(0, 1)


class RandomAffine(Transform):
    """One flip, shear, rotation and scaling, drawn from Python's `random` when it is made; see `matrix`."""

    def __init__(
        self,
        p_flip: float = 0.0,
        max_rotation: float = 0.0,  # degrees
        max_shear: float = 0.0,  # pixels per pixel, x and y apart
        max_scale: float = 0.0,  # of the logarithm
        max_ar_factor: float = 0.0,  # of the logarithm, on top for y
        border_mode: str = "constant",  # zeros, or "replicate": the edge
        output_sz: Size | None = None,
        shift: Shift | None = None,
    ) -> None:
        """Raises ValueError for another border mode."""
        super().__init__(output_sz, shift)
        padding = {"constant": "zeros", "replicate": "border"}
        if border_mode not in padding:
            raise ValueError(f"expected border_mode 'constant' or 'replicate', found {border_mode!r}")
        self._padding = padding[border_mode]
        self.flip = random.random() < p_flip
        self.rotation = random.uniform(-max_rotation, max_rotation)
        self.shear = random.uniform(-max_shear, max_shear), random.uniform(-max_shear, max_shear)
        aspect = math.exp(random.uniform(-max_ar_factor, max_ar_factor))
        scale = math.exp(random.uniform(-max_scale, max_scale))
        self.scale = scale, scale * aspect  # x, y

    def matrix(self, height: int, width: int) -> Array:
        """M (2, 3) of an image: flip, then shear, rotation against the clock, and scale, about (width, height) / 2."""
        cosine, sine = math.cos(math.radians(self.rotation)), math.sin(math.radians(self.rotation))
        center = np.array([width, height]) / 2
        linear = (
            np.diag(self.scale)
            @ np.array([[cosine, sine], [-sine, cosine]])
            @ np.array([[1.0, self.shear[0]], [self.shear[1], 1.0]])
            @ np.diag([-1.0 if self.flip else 1.0, 1.0])
        )
        return np.column_stack((linear, center - linear @ center))

    def warp(self, patch: Tensor, is_mask: bool = False) -> Tensor:
        """The nearest pixel of a mask, else bilinear."""
        inverse = normalized_inverse(self.matrix(patch.shape[-2], patch.shape[-1]), patch)
        return resampled(patch, inverse, "nearest" if is_mask else "bilinear", self._padding)


def normalized_inverse(matrix: Array, patch: Tensor) -> Array:  # (2, 3), (N, C, H, W) -> (2, 3)
    """The inverse of an affine map of pixels (x, y), in coordinates from -1 to 1 between the centers of the corners."""
    half = (np.array(patch.shape[:-3:-1]) - 1) / 2  # x, y
    to_pixels = np.array([[half[0], 0, half[0]], [0, half[1], half[1]], [0, 0, 1]])
    full = np.vstack((matrix, [0.0, 0.0, 1.0]))
    return np.asarray((np.linalg.inv(to_pixels) @ np.linalg.inv(full) @ to_pixels)[:2])


def resampled(patch: Tensor, inverse: Array, mode: str, padding: str) -> Tensor:
    """The patch whose pixels come from where `inverse` (2, 3) sends them, in coordinates from -1 to 1."""
    theta = torch.tensor(inverse[None], dtype=patch.dtype, device=patch.device)
    grid = F.affine_grid(theta, list(patch.shape), align_corners=True)
    return F.grid_sample(patch, grid, mode=mode, padding_mode=padding, align_corners=True)


def center_crop(patch: Tensor, output_sz: Size, shift: Shift) -> Tensor:
    """Center crop of the patch moved by a shift, the edge repeated where it runs out."""
    for axis, wanted, amount in zip((2, 3), output_sz, shift, strict=True):
        extent = patch.shape[axis]
        start = -((wanted - extent) // 2) - amount
        index = torch.arange(start, start + wanted, device=patch.device).clamp(0, extent - 1)
        patch = patch.index_select(axis, index)
    return patch


def initial_transforms(
    augmentation: dict[str, Any],
    sample_sz: Size,
    random_shift: Callable[[], Shift],
    global_shift: Shift = (0, 0),  # of those that have no random one
) -> list[Transform]:
    """Transforms of the first frame in pytracking's order: identity, shifts, flip, blurs, scales, rotations.

    `augmentation` has pytracking's keys: shift [(y, x) pixels], relativeshift [(y, x) in half crops], fliplr, blur
    [(sigma_y, sigma_x)], scale [factors by which the picture shrinks], rotate [degrees]; `dropout` is applied to the
    features, not here.
    Raises ValueError for an unknown key.
    """
    known = {"shift", "relativeshift", "fliplr", "blur", "scale", "rotate", "dropout"}
    if unknown := set(augmentation) - known:
        raise ValueError(f"expected augmentations of {sorted(known)}, found {sorted(unknown)}")
    half_h, half_w = sample_sz[0] / 2, sample_sz[1] / 2
    shifts = list(augmentation.get("shift", []))
    shifts += [(y * half_h, x * half_w) for y, x in augmentation.get("relativeshift", [])]
    transforms: list[Transform] = [Identity(sample_sz, global_shift)]
    transforms += [Translation((int(y), int(x)), sample_sz, global_shift) for y, x in shifts]
    if augmentation.get("fliplr", False):
        transforms.append(FlipHorizontal(sample_sz, random_shift()))
    transforms += [Blur((sigma[0], sigma[1]), sample_sz, random_shift()) for sigma in augmentation.get("blur", [])]
    transforms += [Scale(factor, sample_sz, random_shift()) for factor in augmentation.get("scale", [])]
    transforms += [Rotate(angle, sample_sz, random_shift()) for angle in augmentation.get("rotate", [])]
    return transforms
