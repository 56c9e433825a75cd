"""Augmentation of the first frame: transforms of one large patch, each ending in a center crop moved by a shift.

Shifts are (y, x) pixels; a positive shift moves the content down or right.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Shift = tuple[int, int]
Size = tuple[int, int]


@dataclass(frozen=True)
class Transform:
    """Identity, and base of the others: `warp` changes the whole patch, the call crops it."""

    shift: Shift = (0, 0)

    def __call__(self, patch: Tensor, output_sz: Size) -> Tensor:  # (1, 3, H, W) -> (1, 3, *output_sz)
        return center_crop(self.warp(patch), output_sz, self.shift)

    def warp(self, patch: Tensor) -> Tensor:
        return patch


@dataclass(frozen=True)
class FlipHorizontal(Transform):
    def warp(self, patch: Tensor) -> Tensor:
        return patch.flip(3)


@dataclass(frozen=True)
class Blur(Transform):
    sigma: tuple[float, float] = (1.0, 1.0)  # y, x in pixels

    def warp(self, patch: Tensor) -> Tensor:
        """Separable Gaussian of radius ceil(2 sigma), zero outside of the patch."""
        channels = patch.transpose(0, 1)  # (3, 1, S, S): the same kernel for every channel
        for axis, sigma in zip((2, 3), self.sigma, strict=True):
            radius = math.ceil(2 * sigma)
            taps = torch.arange(-radius, radius + 1, dtype=patch.dtype, device=patch.device)
            kernel = torch.exp(-taps.square() / (2 * sigma**2))
            kernel = (kernel / kernel.sum()).reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))
            channels = F.conv2d(channels, kernel, padding=(radius, 0) if axis == 2 else (0, radius))
        return channels.transpose(0, 1)


@dataclass(frozen=True)
class Scale(Transform):
    factor: float = 1.0  # image pixels per pixel of the result: 2 halves the picture

    def warp(self, patch: Tensor) -> Tensor:
        """The patch resized, by an even number of pixels so that its center stays where it is."""
        sizes = [(extent, round(extent / self.factor)) for extent in patch.shape[-2:]]
        size = [new + (new - extent) % 2 for extent, new in sizes]
        return F.interpolate(patch, size, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Rotate(Transform):
    angle: float = 0.0  # degrees

    def warp(self, patch: Tensor) -> Tensor:
        """Rotation about the center, bilinear, edge repeated: (x, y) goes to R (x, y) with R = [[c, s], [-s, c]]."""
        radians = math.radians(self.angle)
        cosine, sine = math.cos(radians), math.sin(radians)
        # grid_sample asks where each destination pixel comes from, which is the inverse rotation.
        inverse = torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]], dtype=patch.dtype, device=patch.device)
        grid = F.affine_grid(inverse, list(patch.shape), align_corners=True)
        return F.grid_sample(patch, grid, mode="bilinear", padding_mode="border", align_corners=True)


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
    shifts = [(0, 0), *augmentation.get("shift", [])]
    shifts += [(y * half_h, x * half_w) for y, x in augmentation.get("relativeshift", [])]
    transforms = [Transform((int(y) + global_shift[0], int(x) + global_shift[1])) for y, x in shifts]
    if augmentation.get("fliplr", False):
        transforms.append(FlipHorizontal(random_shift()))
    transforms += [Blur(random_shift(), (sigma[0], sigma[1])) for sigma in augmentation.get("blur", [])]
    transforms += [Scale(random_shift(), factor) for factor in augmentation.get("scale", [])]
    transforms += [Rotate(random_shift(), angle) for angle in augmentation.get("rotate", [])]
    return transforms
