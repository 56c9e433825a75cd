"""Windows, labels and maxima of correlation-filter trackers, under the names of pytracking.

Sizes are (h, w), as tensors or tuples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as SequenceOf

import torch
import torch.nn.functional as F
from torch import Tensor

Size = Tensor | SequenceOf[float]


def hann1d(sz: int, centered: bool = True) -> Tensor:  # (sz,)
    """Cosine window without zeros at its ends; not centered, its maximum is the first value."""
    if centered:
        return torch.hann_window(sz + 2, periodic=False)[1:-1]
    half = 0.5 * (1 + torch.cos(2 * math.pi / (sz + 2) * torch.arange(sz // 2 + 1)))
    return torch.cat((half, half[1 : sz - sz // 2].flip(0)))


def hann2d(sz: Size, centered: bool = True) -> Tensor:  # (1, 1, h, w)
    """Product of two cosine windows."""
    return hann1d(int(sz[0]), centered).view(1, 1, -1, 1) * hann1d(int(sz[1]), centered).view(1, 1, 1, -1)


def hann2d_clipped(sz: Size, effective_sz: Size, centered: bool = True) -> Tensor:  # (1, 1, h, w)
    """Window of `effective_sz`, a pixel larger where that makes it symmetric, cut or continued to `sz`."""
    size, effective = ([int(extent) for extent in numbers] for numbers in (sz, effective_sz))
    effective = [inner + (inner - outer) % 2 for inner, outer in zip(effective, size, strict=True)]
    top, left = ((outer - inner) // 2 for inner, outer in zip(effective, size, strict=True))
    window = F.pad(hann2d(effective), (left, left, top, top), "replicate")
    return window if centered else window.roll((-(size[0] // 2), -(size[1] // 2)), (2, 3))


def gauss_fourier(sz: int, sigma: float, half: bool = False) -> Tensor:
    """Coefficients of a periodic Gaussian of deviation `sigma` on `sz` points, around the first; `half`: from 0 on."""
    frequencies = torch.arange(0 if half else -((sz - 1) // 2), sz // 2 + 1)
    return math.sqrt(2 * math.pi) * sigma / sz * torch.exp(-2 * (math.pi * sigma / sz * frequencies).square())


def gauss_spatial(sz: int, sigma: float, center: float | Tensor = 0, end_pad: int = 0) -> Tensor:  # (sz + end_pad,)
    """Gaussian of height 1 on `sz` points and `end_pad` behind them, `center` from the middle of the `sz`."""
    places = torch.arange(sz + end_pad) - (sz - 1) / 2
    return torch.exp(-0.5 * ((places - center) / sigma).square())


def label_function(sz: Size, sigma: Size) -> Tensor:  # (1, 1, h', w // 2 + 1)
    """Fourier coefficients of a Gaussian around the first pixel, as of `pytracking.libs.fourier`."""
    rows = gauss_fourier(int(sz[0]), float(sigma[0]))
    columns = gauss_fourier(int(sz[1]), float(sigma[1]), True)
    return rows.view(1, 1, -1, 1) * columns.view(1, 1, 1, -1)


def label_function_spatial(
    sz: Size, sigma: Size, center: Size = (0.0, 0.0), end_pad: Size = (0, 0)
) -> Tensor:  # (1, 1, h + end_pad, w + end_pad)
    """Gaussian of height 1, `center` from the middle of the image."""
    rows, columns = (gauss_spatial(int(sz[i]), float(sigma[i]), float(center[i]), int(end_pad[i])) for i in range(2))
    return rows.view(1, 1, -1, 1) * columns.view(1, 1, 1, -1)


def max2d(a: Tensor) -> tuple[Tensor, Tensor]:  # (..., H, W) -> (...), (..., 2)
    """Maximum over the last two dimensions, and where it is: row, column."""
    value, index = a.flatten(-2).max(-1)
    return value, torch.stack((index // a.shape[-1], index % a.shape[-1]), -1)
