"""Fourier series of images, low frequencies in the middle of the rows, under the names of pytracking.

Coefficients are complex in the form of `pytracking.libs.complex`: (N, C, H, W, 2), H rows from -(H-1)/2 to (H-1)/2 for
an odd H, and W columns from 0 on; the others follow from these. All functions take TensorLists too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf

import torch
import torch.nn.functional as F
from torch import Tensor

from pytracking.libs import complex
from pytracking.libs.tensorlist import tensor_operation


@tensor_operation
def rfftshift2(a: Tensor) -> Tensor:
    """Rows of `rfft2` brought in order; with an even number of them the highest frequency is there at both ends."""
    rows = a.shape[2]
    return torch.cat((a[:, :, (rows + 1) // 2 :], a[:, :, : rows // 2 + 1]), 2)


@tensor_operation
def irfftshift2(a: Tensor) -> Tensor:
    """Inverse of `rfftshift2` for an odd number of rows."""
    middle = (a.shape[2] - 1) // 2
    return torch.cat((a[:, :, middle:], a[:, :, :middle]), 2)


@tensor_operation
def cfft2(a: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H', W // 2 + 1, 2), H' odd
    """Fourier transform of real images."""
    return rfftshift2(torch.view_as_real(torch.fft.rfft2(a)))


@tensor_operation
def cifft2(a: Tensor, signal_sizes: SequenceOf[int] | None = None) -> Tensor:
    """Inverse of `cfft2`: images of `signal_sizes` (h, w), by default those of the series, 2 W - 1 columns."""
    size = [a.shape[2], 2 * a.shape[3] - 1] if signal_sizes is None else [int(extent) for extent in signal_sizes]
    return torch.fft.irfft2(torch.view_as_complex(irfftshift2(a).contiguous()), s=size)


@tensor_operation
def sample_fs(a: Tensor, grid_sz: Tensor | None = None, rescale: bool = True) -> Tensor:
    """Values of the series on a grid (h, w) of one period, by default of the series' size.

    With `rescale` they are those of the series itself, else divided by the number of points. Raises ValueError for a
    grid that is smaller than the series.
    """
    size = [a.shape[2], 2 * a.shape[3] - 1]
    grid = size if grid_sz is None else [int(extent) for extent in grid_sz]
    if grid[0] < size[0] or grid[1] < size[1]:
        raise ValueError(f"expected a grid of at least {size}, the size of the series, found {grid}")
    rows, columns = grid[0] - size[0], grid[1] - size[1]
    top = (rows + (size[0] + 1) % 2) // 2
    padded = F.pad(a, (0, 0, 0, (columns + 1) // 2, top, rows - top))
    return cifft2(padded, grid) * (math.prod(grid) if rescale else 1)


def get_frequency_coord(
    sz: SequenceOf[float] | Tensor, add_complex_dim: bool = False, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:  # (1, 1, H, 1), (1, 1, 1, W // 2 + 1), and one more dimension
    """Frequencies of the coefficients of images (H, W)."""
    height, width = int(sz[0]), int(sz[1])
    ky = torch.arange(-((height - 1) // 2), height // 2 + 1, dtype=torch.float32, device=device).view(1, 1, -1, 1)
    kx = torch.arange(0, width // 2 + 1, dtype=torch.float32, device=device).view(1, 1, 1, -1)
    return (ky[..., None], kx[..., None]) if add_complex_dim else (ky, kx)


@tensor_operation
def shift_fs(a: Tensor, shift: Tensor) -> Tensor:
    """The series moved by -`shift` (y, x), in units in which the period is 2 pi: f(t + shift) of f(t).

    Raises ValueError for anything but coefficients (N, C, H, W, 2).
    """
    if a.dim() != 5:
        raise ValueError(f"expected Fourier coefficients (N, C, H, W, 2), found {tuple(a.shape)}")
    ky, kx = get_frequency_coord((a.shape[2], 2 * a.shape[3] - 1), device=a.device)
    phase: Tensor = float(shift[0]) * ky + float(shift[1]) * kx
    return complex.mult(a, complex.exp_imag(phase))


def sum_fs(a: Iterable[Tensor]) -> Tensor:
    """Sum of series of different sizes, of the size of the largest."""
    first, *others = sorted(a, key=lambda series: series.shape[-3], reverse=True)
    total = first.clone()
    middle = (total.shape[-3] - 1) // 2
    for series in others:
        top = middle - (series.shape[-3] - 1) // 2
        total[..., top : top + series.shape[-3], : series.shape[-2], :] += series
    return total


@tensor_operation
def inner_prod_fs(a: Tensor, b: Tensor) -> Tensor:  # (N, C, H, W, 2) each, or (N, C, H, W) of real coefficients
    """Inner product of two series: that of all coefficients, those included that follow from the stored ones.

    Raises ValueError for a complex and a real one.
    """
    if complex.is_complex(a) != complex.is_complex(b):
        raise ValueError(f"expected two complex or two real series, found {tuple(a.shape)} and {tuple(b.shape)}")
    return 2 * (a * b).sum() - (a[:, :, :, 0] * b[:, :, :, 0]).sum()
