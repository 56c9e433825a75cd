"""The predicted IoU of boxes that lie close together, with few products a box.

The pooling and the layer behind it are both linear. `IoUGradient.evaluate` pools b² C numbers of every box and
multiplies them with the layer's weights, at every step of a refinement. Here the cells around every bin are multiplied
with that bin's weights once; a box then costs a product of its b² L² bin weights with what came out, for windows of
L x L cells. Which cells those are is asked on the host, so this is for a CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltr.models.layers.hats import hat_integral_, inverse_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ltr.inference.iou_gradient import IoUGradient, Part, Reach

Cells = NDArray[np.int64]  # (2, K) one of every bin of every layer, on the axes (y, x)

MARGIN = 0.5  # cells by which boxes may leave what the first ones touch
CELLS_PER_BOX = 16  # of a window: with more, the products for them cost more than a few steps save


class Windows(NamedTuple):
    """As many cells around every bin, on both axes."""

    first: Cells
    length: int

    @classmethod
    def around(cls, gradient: IoUGradient, reach: Reach, shapes: Sequence[Sequence[int]], boxes: int) -> Self | None:
        """What so many boxes of an image touch of maps (H, W), and a margin; None where it is too large to pay."""
        first, last = _touched(gradient, reach, shapes, MARGIN)
        length = int((last - first).max()) + 1
        if length**2 > CELLS_PER_BOX * boxes or length > min(map(min, shapes)):
            return None
        return cls(np.minimum(first, _last_cells(gradient, shapes) + 1 - length), length)

    def hold(self, gradient: IoUGradient, reach: Reach, shapes: Sequence[Sequence[int]]) -> bool:
        """Whether they have all that boxes touch."""
        first, last = _touched(gradient, reach, shapes)
        return bool((first >= self.first).all() and (last < self.first + self.length).all())


class _Layer(NamedTuple):
    bins: slice  # its bins among those of all layers
    values: Tensor  # (B, b * L * b * L, O) weights times cells, row by row
    shift: Tensor  # (O,)
    output: Tensor  # (N, 1, O) weights of the IoU


class ProjectedIoU:
    """Predicted IoU and its gradient for boxes all of whose bins stay in their windows."""

    def __init__(
        self,
        gradient: IoUGradient,
        modulation: Sequence[Tensor],
        parts: Sequence[Part],  # with valid values wherever boxes touch the map
        windows: Windows,
    ) -> None:
        self.windows, self.ends = windows, torch.from_numpy(gradient.ends)
        cells = torch.from_numpy(windows.first)[:, :, None] + torch.arange(windows.length)
        self.cells = cells[:, :, None].double()  # (2, K, 1, L)
        self.ends_map = gradient.edge_map[:, :, self.ends].flatten(1).mT  # (4 K, 4)
        outputs, self.bias = gradient.last_layer(modulation)
        self.layers = []
        for index, (part, output) in enumerate(zip(parts, outputs, strict=True)):
            bins = gradient.bins_of(index)
            weight, shift = gradient.weights_of(index)
            self.layers.append(_Layer(bins, _project(part, cells[:, bins], weight), shift, output))

    def __call__(self, edges: Tensor) -> tuple[Tensor, Tensor]:  # (B, n, 2, E) -> (B, n), (B, n, 4)
        ends = edges[..., self.ends]  # (B, n, 2, K, 2)
        integrals, distances = hat_integral_(ends[..., None] - self.cells)
        inverse = inverse_sizes(ends[..., 1] - ends[..., 0])[..., None]
        means = (integrals[..., 1, :] - integrals[..., 0, :]) * inverse  # (B, n, 2, K, L) the bin weights
        weights, of_weights = means.to(self.layers[0].values.dtype), torch.empty_like(means)
        iou = self.bias
        for layer in self.layers:
            rows, columns = weights[:, :, :, layer.bins].flatten(3).unbind(2)  # (B, n, b L)
            hidden = ((rows[..., :, None] * columns[..., None, :]).flatten(2) @ layer.values).add_(layer.shift).relu_()
            iou = iou + (hidden * layer.output).sum(dim=-1)
            of_cells = (layer.output * (hidden > 0)) @ layer.values.mT
            of_cells = of_cells.view(*rows.shape, -1)  # (B, n, b L, b L)
            of_rows_columns = (of_cells @ columns[..., None]).squeeze(-1), (rows[..., None, :] @ of_cells).squeeze(-2)
            of_weights[:, :, :, layer.bins] = torch.stack(of_rows_columns, dim=2).unflatten(
                3, (-1, self.windows.length)
            )
        # A bin's end moves the integral by the hat function there, and the mean by the size.
        by_ends = ((1 - distances - means[..., None, :]) * (of_weights * inverse)[..., None, :]).sum(dim=-1)
        by_ends[..., 0].neg_()
        return iou, by_ends.flatten(2) @ self.ends_map


def _touched(
    gradient: IoUGradient, reach: Reach, shapes: Sequence[Sequence[int]], margin: float = 0.0
) -> tuple[Cells, Cells]:
    """First and last cell of the maps that every bin of any box touches."""
    limit = _last_cells(gradient, shapes)
    lower, upper = gradient.ends.T
    first = np.floor(reach.low[:, lower] - margin).clip(0, limit).astype(np.int64)
    return first, np.ceil(reach.high[:, upper] + margin).clip(first, limit).astype(np.int64)


def _last_cells(gradient: IoUGradient, shapes: Sequence[Sequence[int]]) -> Cells:
    """Those of the map of every bin's layer."""
    return np.repeat(np.array(shapes).T, gradient.bins, axis=1) - 1


def _project(
    part: Part,
    cells: Tensor,  # (2, b, L) of the map
    weight: Tensor,  # (b * b * C, O)
) -> Tensor:  # (B, b * L * b * L, O)
    images, height, width, channels = part.values.shape
    bins, length = cells.shape[1:]
    # Cells of a window that no box touches may lie outside of the part; any others serve in their place.
    rows, columns = (
        (own - start).clamp(0, extent - 1)
        for own, start, extent in zip(cells, part.start, (height, width), strict=True)
    )
    image = torch.arange(images).view(1, 1, -1, 1, 1)
    where = (image * height + rows[:, None, None, :, None]) * width + columns[None, :, None, None, :]
    inputs = part.values.reshape(-1, channels).index_select(0, where.flatten())  # (b * b * B * L * L, C)
    projected = inputs.view(bins * bins, -1, channels) @ weight.view(bins * bins, channels, -1)
    by_bins = projected.view(bins, bins, images, length, length, -1)
    return by_bins.permute(2, 0, 3, 1, 4, 5).reshape(images, (bins * length) ** 2, -1)
