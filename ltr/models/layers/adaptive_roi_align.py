"""RoIAlign of RT-MDNet (Jung et al., ECCV 2018), plain and adaptive, in plain PyTorch.

Samples lie on a grid of points. A point is interpolated from four cells: those next to it in the plain form; in the
adaptive form the stride between the taps grows with the box, so that a large box is not undersampled. Coordinates are
separable: all that is known of a point is computed once per row and once per column of the grid.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

AxisTaps = tuple[Tensor, Tensor]  # cells (R, n, 2), long, and their weights (R, n, 2)
AxisRule = Callable[[Tensor, Tensor, int, int], AxisTaps]


def adaptive_taps(
    start: Tensor,  # (R,) first coordinate of each box, in cells
    end: Tensor,  # (R,) last one
    num: int,  # points along the axis
    length: int,  # cells along the axis
) -> AxisTaps:
    """Taps of the points start + p (end - start + 1) / num, a stride of the rounded spacing (at least 1) apart.

    Cells outside of the map weigh nothing, and so do all cells of a point that is outside of it.
    """
    spacing = (end - start + 1).clamp_min(0) / num
    stride = (spacing + 0.5).floor().clamp_min(1)[:, None, None]  # half away from zero
    return _taps(start, spacing, stride, num, length, edge_weights=True)


def plain_taps(start: Tensor, end: Tensor, num: int, length: int) -> AxisTaps:
    """Taps of the points start + p (end - start + 1) / (num - 1): the two nearest cells, linear in between.

    The last cell continues linearly over the map's edge; points outside of [0, length) weigh nothing.
    """
    spacing = (end - start + 1).clamp_min(0) / max(num - 1, 1)
    return _taps(start, spacing, torch.ones_like(start)[:, None, None], num, length, edge_weights=False)


def _taps(start: Tensor, spacing: Tensor, stride: Tensor, num: int, length: int, edge_weights: bool) -> AxisTaps:
    point = start[:, None] + torch.arange(num, device=start.device, dtype=start.dtype) * spacing[:, None]
    inside = ((point >= 0) & (point < length))[:, :, None]
    # A map of one cell has no second tap: its only cell is the far one, at -1 + stride.
    first = point.floor().clamp(min=min(length - 2, 0), max=length - 2)[:, :, None]
    cells = torch.cat((first, first + stride), dim=2)
    if edge_weights:
        weights = 1 - (point[:, :, None] - cells).abs() / stride
    else:
        fraction = point[:, :, None] - first
        weights = torch.cat((1 - fraction, fraction), dim=2)
    present = inside & (cells >= 0) & (cells < length)
    return cells.clamp(0, length - 1).long(), weights * present


def adaptive_roi_align(
    feat: Tensor,  # (B, C, H, W)
    rois: Tensor,  # (R, 5) batch index, x1, y1, x2, y2
    output_size: int = 7,
    spatial_scale: float = 1 / 8,  # cells per unit of the boxes
) -> Tensor:  # (R, C, n, n)
    """n x n points of each box, with taps that adapt to its size; the box is taken as one cell larger than it is."""
    return _roi_align(feat, rois, output_size, spatial_scale, adaptive_taps)


def roi_align(feat: Tensor, rois: Tensor, output_size: int = 7, spatial_scale: float = 1 / 8) -> Tensor:
    """n x n points of each box, the last one a cell behind its end, with bilinear interpolation."""
    return _roi_align(feat, rois, output_size, spatial_scale, plain_taps)


def adaptive_roi_align_max(
    feat: Tensor,  # (B, C, H, W)
    rois: Tensor,  # (R, 5)
    output_size: int = 3,
    spatial_scale: float = 1 / 8,
) -> Tensor:  # (R, C, n, n)
    """Adaptive RoIAlign of 2 n + 1 points a side, then the maximum over 3 x 3 of them, every second one."""
    return F.max_pool2d(adaptive_roi_align(feat, rois, 2 * output_size + 1, spatial_scale), 3, stride=2)


def _roi_align(feat: Tensor, rois: Tensor, num: int, spatial_scale: float, rule: AxisRule) -> Tensor:
    batch, channels, height, width = feat.shape
    if rois.ndim != 2 or rois.shape[1] != 5:
        raise ValueError(f"Shape mismatch: expected rois (R, 5), got {tuple(rois.shape)}.")
    x1, y1, x2, y2 = (rois[:, 1:] * spatial_scale).unbind(1)
    rows, row_weights = rule(y1, y2, num, height)
    columns, column_weights = rule(x1, x2, num, width)
    image = rois[:, 0].long()[:, None, None, None, None]
    # (R, n, n, 2, 2): row of the point, its column, row tap, column tap
    cells = (image * height + rows[:, :, None, :, None]) * width + columns[:, None, :, None, :]
    weights = row_weights[:, :, None, :, None] * column_weights[:, None, :, None, :]
    table = feat.permute(0, 2, 3, 1).reshape(batch * height * width, channels)
    # Weighted sums of table rows without a copy of the gathered rows, which would be four times the output.
    sampled = F.embedding_bag(
        cells.reshape(-1, 4), table, mode="sum", per_sample_weights=weights.reshape(-1, 4).to(table.dtype)
    )
    return sampled.view(len(rois), num, num, channels).permute(0, 3, 1, 2)
