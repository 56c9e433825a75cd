"""Crops and transforms of images, as published: the first steps of `algorithm.py`."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Array = np.ndarray


def cut(image: Array, pos: Array, extent: Array, out: int, mode: str, limit: float | None) -> tuple[Tensor, Array]:
    """A square crop (1, 3, out, out) of `extent` image pixels around the whole pixel of `pos`, and its corners (4,)."""
    size = np.array(image.shape[:2])
    if mode != "replicate":
        ratio = (extent / size).max() if mode == "inside" else (extent / size).min()
        extent = np.floor(extent / min(max(ratio, 1.0), limit or math.inf))
    step = max(int((extent / out).min() - 0.1), 1)
    pixel = np.trunc(pos).astype(int)
    offset = pixel % step
    image = image[offset[0] :: step, offset[1] :: step]
    size = np.array(image.shape[:2])
    center, side = (pixel - offset) // step, np.maximum(np.rint(extent / step), 2).astype(int)
    low, high = center - (side - 1) // 2, center + side // 2 + 1
    if mode != "replicate":
        move = np.maximum(-low, 0) - np.maximum(high - size, 0)
        low, high = low + move, high + move
        over = (np.maximum(-low, 0) + np.maximum(high - size, 0)) // 2
        move = np.where(over > 0, -low - over, 0)
        low, high = low + move, high + move
    rows, columns = (np.arange(a, b).clip(0, n - 1) for a, b, n in zip(low, high, size, strict=True))
    pixels = torch.from_numpy(image[rows][:, columns].copy()).permute(2, 0, 1)[None].float()
    # The resize in float32, whose coordinates belong to what the published networks were evaluated with.
    crop = F.interpolate(pixels, (out, out), mode="bilinear", align_corners=False)
    return crop.double(), step * np.concatenate((low, high)).astype(float)


def shifted_center(patch: Tensor, out: int, shift: tuple[int, int]) -> Tensor:
    for axis, amount in ((2, shift[0]), (3, shift[1])):
        extent = patch.shape[axis]
        start = math.ceil((extent - out) / 2) - amount
        patch = patch.index_select(axis, torch.arange(start, start + out).clamp(0, extent - 1))
    return patch


def blurred(patch: Tensor, sigma: tuple[float, float]) -> Tensor:
    for axis, s in ((2, sigma[0]), (3, sigma[1])):
        radius = math.ceil(2 * s)
        taps = torch.exp(-(torch.arange(-radius, radius + 1).double() ** 2) / (2 * s * s))
        padding = [0, 0, 0, 0]
        padding[0 if axis == 3 else 2] = padding[1 if axis == 3 else 3] = radius
        windows = F.pad(patch, padding).unfold(axis, 2 * radius + 1, 1)
        patch = windows @ (taps / taps.sum())
    return patch


def rotated(patch: Tensor, degrees: float) -> Tensor:
    """(x, y) goes to R (x, y) around the center, R = [[c, s], [-s, c]]; bilinear, edge repeated."""
    height, width = patch.shape[2:]
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    y, x = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    from_x = (c * x - s * y + (width - 1) / 2).clamp(0, width - 1)
    from_y = (s * x + c * y + (height - 1) / 2).clamp(0, height - 1)
    left, top = from_x.floor().long().clamp(max=width - 2), from_y.floor().long().clamp(max=height - 2)
    u, v = from_x - left, from_y - top
    upper = patch[..., top, left] * (1 - u) + patch[..., top, left + 1] * u
    lower = patch[..., top + 1, left] * (1 - u) + patch[..., top + 1, left + 1] * u
    return upper * (1 - v) + lower * v


def scaled(patch: Tensor, factor: float) -> Tensor:
    sides = [round(n / factor) for n in patch.shape[2:]]
    sides = [side + (side - n) % 2 for side, n in zip(sides, patch.shape[2:], strict=True)]
    return F.interpolate(patch, sides, mode="bilinear", align_corners=False)
