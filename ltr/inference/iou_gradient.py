"""The predicted IoU of boxes and its gradient with respect to the boxes, in closed form.

With frozen weights nothing but the boxes has a gradient, and they enter by the bin weights of the pooling alone: one
small matrix per axis, box and layer. Shapes: B images, n boxes of each, b bins a side, a map (H, W) of C channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from ltr.models.layers.hats import hat_integral_, inverse_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ltr.models.bbreg.atom_iou_net import AtomIoUNet
    from ltr.models.layers.blocks import LinearBlock


class Span(NamedTuple):
    """Cells of one axis of a map."""

    start: int
    stop: int

    def within(self, other: Span) -> bool:
        return other.start <= self.start and self.stop <= other.stop


Spans = list[tuple[Span, Span]]  # rows and columns, by layer


class Reach(NamedTuple):
    """Least and greatest coordinate that every edge has in any box, (2, E) on the axes (y, x)."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, edges: Tensor) -> Self | None:  # (B, n, 2, E)
        """None for tensors on a device, which would have to be waited for, and where something is not a number."""
        if edges.device.type != "cpu":
            return None
        low, high = (ends.numpy() for ends in edges.flatten(0, 1).aminmax(dim=0))
        return cls(low, high) if np.isfinite(low).all() and np.isfinite(high).all() else None


class Part(NamedTuple):
    """Part of a map whose channels are multiplied by the modulation vector."""

    values: Tensor  # (B, H, W, C)
    start: tuple[int, int]  # its first row and column on the map


class _Windows(NamedTuple):
    """What of every layer's map the boxes touch: as many cells for all, or the whole of a part."""

    starts: list[tuple[int, int]]  # first row and column, by layer
    length: int

    def of(self, layer: int, part: Part, axis: int) -> slice:
        start = self.starts[layer][axis] - part.start[axis]
        return slice(start, min(start + self.length, part.values.shape[1 + axis]))


class _Bins(NamedTuple):
    """Bin weights of both axes (y, x), all layers in a row, with what their gradient needs.

    K - 1 counts the b bins of each layer and, between two layers, a difference of edges that is no bin and not used.
    """

    inverse: Tensor  # (B, n, 2, K - 1): 1 / size of a bin
    hats: Tensor  # (B, n, 2, K, L): hat function of every cell of the window at every edge
    weights: Tensor  # (B, n, 2, K - 1, L): its mean over every bin


class IoUGradient(nn.Module):
    """The IoU that a frozen `AtomIoUNet` predicts and its gradient, with the weights laid out for it."""

    edge_map: Tensor
    last: Tensor

    def __init__(self, net: AtomIoUNet) -> None:
        super().__init__()
        pools = (net.prroi_pool3t, net.prroi_pool4t)
        self.bins = [pool.output_size[0] for pool in pools]
        self.starts = [0, self.bins[0] + 1]  # first edge of each layer
        # The edges below and above every bin, (K, 2).
        lower = np.concatenate([start + np.arange(bins) for start, bins in zip(self.starts, self.bins, strict=True)])
        self.ends = np.stack((lower, lower + 1), axis=1)
        self.hidden = [len(block.linear.weight) for block in _blocks(net)]
        self._keep("edge_map", torch.cat([_edges(pool.spatial_scale, pool.output_size[0]) for pool in pools], dim=2))
        last = torch.cat((net.iou_predictor.weight[0], net.iou_predictor.bias))
        self._keep("last", last.detach()[None])  # (1, F + 1)
        for layer, (block, bins) in enumerate(zip(_blocks(net), self.bins, strict=True)):
            linear = _folded(block)
            # The pooled channels come after the bins here, as in memory, and before them in the network's weights.
            weight = linear.weight.detach().unflatten(1, (-1, bins * bins)).permute(2, 1, 0).flatten(0, 1)
            self._keep(f"weight{layer}", weight.contiguous())  # (b * b * C, O)
            self._keep(f"shift{layer}", linear.bias.detach())  # (O,)

    def _keep(self, name: str, tensor: Tensor) -> None:
        self.register_buffer(name, tensor, persistent=False)

    def forward(
        self,
        modulation: Sequence[Tensor],  # two of (N, C) or (N, C, 1, 1), or a third as in `predict_iou`; N is 1 or B
        feat: Sequence[Tensor],  # two of (B, C, H, W), fastest with the channels last in memory
        boxes: Tensor,  # (B, n, 4) xywh in crop pixels
    ) -> tuple[Tensor, Tensor]:  # (B, n), (B, n, 4)
        edges = self.edges(boxes)
        parts = [modulated(layer, vector) for layer, vector in zip(feat, modulation[:2], strict=True)]
        spans = self.touched(Reach.of(edges), [layer.shape[-2:] for layer in feat])
        iou, gradient = self.evaluate(modulation, parts, edges, spans)
        return iou, gradient.to(boxes.dtype)

    def edges(self, boxes: Tensor) -> Tensor:  # (B, n, 4) -> (B, n, 2, K), float64
        """Edges of the bins on the axes (y, x) of the layers' maps."""
        edges: Tensor = (boxes.double() @ self.edge_map.flatten(1)).unflatten(2, self.edge_map.shape[1:])
        return edges

    def evaluate(
        self, modulation: Sequence[Tensor], parts: Sequence[Part], edges: Tensor, spans: Spans
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, from the parts of the maps that hold the spans which the boxes touch."""
        windows = _windows(spans, parts)
        bins = _bin_weights(edges, self._cells(windows, edges.device))
        weights = bins.weights.to(parts[0].values.dtype)
        outputs, iou = self.last_layer(modulation)
        of_weights = torch.zeros_like(bins.weights)
        for index, part in enumerate(parts):
            own = slice(self.starts[index], self.starts[index] + self.bins[index])
            rows, columns = (windows.of(index, part, axis) for axis in (0, 1))
            row_bins = (slice(None), slice(None), 0, own, slice(rows.stop - rows.start))
            column_bins = (slice(None), slice(None), 1, own, slice(columns.stop - columns.start))
            map_ = part.values[:, rows, columns]
            partial, of_rows, of_columns = self._layer(
                index, outputs[index], map_, weights[row_bins], weights[column_bins]
            )
            iou = iou + partial
            of_weights[row_bins], of_weights[column_bins] = of_rows, of_columns
        return iou, _bin_weights_backward(bins, of_weights).flatten(2) @ self.edge_map.flatten(1).mT

    def _layer(
        self,
        index: int,
        output: Tensor,  # (N, 1, O)
        map_: Tensor,  # (B, H, W, C)
        rows: Tensor,  # (B, n, b, H)
        columns: Tensor,  # (B, n, b, W)
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A layer's share of the IoU (B, n), and its gradients with respect to the weights of rows and columns."""
        batch, count, bins, _ = rows.shape
        width, channels = map_.shape[2:]
        weight, shift = self.weights_of(index)
        flat = map_.flatten(2)  # (B, H, W * C)
        in_rows = (rows.flatten(1, 2) @ flat).view(batch, count, bins, width, channels)
        pooled = (columns[:, :, None] @ in_rows).view(batch * count, -1)  # (B * n, b * b * C)
        hidden = torch.addmm(shift, pooled, weight).relu().view(batch, count, -1)
        iou = (hidden * output).sum(dim=-1)

        # With the few boxes as columns the product reads the weights in the order of memory.
        gradient = weight @ (output * (hidden > 0)).flatten(0, 1).mT
        gradient = gradient.mT.reshape(batch, count, bins, bins, channels)
        column_gradient = (gradient @ in_rows.mT).sum(dim=2)
        row_gradient = (columns.mT[:, :, None] @ gradient).view(batch, count * bins, -1) @ flat.mT
        return iou, row_gradient.view(batch, count, bins, -1), column_gradient

    def last_layer(self, modulation: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Weights (N, 1, O) of both layers' outputs and the bias (N, 1): learnt offline, or those of each target."""
        last = modulation[2] if len(modulation) > 2 else self.last
        return list(last[:, None, :-1].split(self.hidden, dim=2)), last[:, -1:]

    def touched(self, reach: Reach | None, shapes: Sequence[Sequence[int]]) -> Spans:
        """What of maps (H, W) the boxes touch; all of it where their reach is unknown.

        Beyond it every bin weight is zero: the search area is several times larger than the target.
        """
        if reach is None:
            return [(Span(0, height), Span(0, width)) for height, width in shapes]
        spans = []
        for index, shape in enumerate(shapes):
            own = slice(self.starts[index], self.starts[index] + self.bins[index] + 1)
            low, high = reach.low[:, own].min(axis=1).tolist(), reach.high[:, own].max(axis=1).tolist()
            rows, columns = (_cells_between(*ends) for ends in zip(low, high, shape, strict=True))
            spans.append((rows, columns))
        return spans

    def bins_of(self, layer: int) -> slice:
        """The bins of a layer in a row with those of the layers before it."""
        start = sum(self.bins[:layer])
        return slice(start, start + self.bins[layer])

    def weights_of(self, layer: int) -> tuple[Tensor, Tensor]:  # (b * b * C, O), (O,)
        """Weights and bias of the linear layer behind a pooling."""
        return getattr(self, f"weight{layer}"), getattr(self, f"shift{layer}")

    def _cells(self, windows: _Windows, device: torch.device) -> Tensor:  # (2, K, L)
        """Coordinates of the cells of the windows, for the edges of every layer on both axes."""
        cells = torch.arange(windows.length, dtype=torch.float64, device=device)
        if not any(map(any, windows.starts)):
            return cells
        counts = [bins + 1 for bins in self.bins]
        of_edges = [
            [float(start[axis]) for start, count in zip(windows.starts, counts, strict=True) for _ in range(count)]
            for axis in (0, 1)
        ]
        return torch.tensor(of_edges, dtype=torch.float64)[..., None] + cells


def modulated(
    feature: Tensor,  # (B, C, H, W)
    vector: Tensor,  # (N, C) or (N, C, 1, 1); N is 1 or B
    start: tuple[int, int] = (0, 0),
) -> Part:
    """Features as they are pooled: a factor per channel commutes with the pooling."""
    return Part(feature.permute(0, 2, 3, 1) * vector.view(len(vector), 1, 1, -1), start)


def _cells_between(low: float, high: float, extent: int) -> Span:
    """Cells of an axis whose hat functions are not zero everywhere between two coordinates; one at least."""
    start = min(max(math.floor(low), 0), extent - 1)
    return Span(start, max(min(math.ceil(high) + 1, extent), start + 1))


def _windows(spans: Spans, parts: Sequence[Part]) -> _Windows:
    length = max(span.stop - span.start for pair in spans for span in pair)
    starts = []
    for pair, part in zip(spans, parts, strict=True):
        row, column = (
            max(min(span.start, first + extent - length), first)
            for span, first, extent in zip(pair, part.start, part.values.shape[1:3], strict=True)
        )
        starts.append((row, column))
    return _Windows(starts, length)


def _edges(scale: float, bins: int) -> Tensor:  # (4, 2, b + 1)
    """Linear map from a box x, y, w, h to the edges of its bins on the axes y and x, in the map's coordinates."""
    share = torch.arange(bins + 1, dtype=torch.float64) / bins
    edges = torch.zeros(4, 2, bins + 1, dtype=torch.float64)
    for axis, corner, size in ((0, 1, 3), (1, 0, 2)):
        edges[corner, axis] = scale
        edges[size, axis] = scale * share
    return edges


def _bin_weights(
    edges: Tensor,  # (B, n, 2, K)
    cells: Tensor,  # (2, K, L) or (L,)
) -> _Bins:
    """Mean of every cell's hat function over every bin, as in `prroi_pool2d`; bins without extent weigh nothing."""
    integral, distances = hat_integral_(edges[..., None] - cells)
    inverse = inverse_sizes(edges.diff(dim=-1))
    return _Bins(inverse, 1 - distances, integral.diff(dim=-2) * inverse[..., None])


def _bin_weights_backward(bins: _Bins, gradient: Tensor) -> Tensor:
    """Gradient (B, n, 2, K) with respect to the edges, from that of the weights (B, n, 2, K - 1, L).

    An edge ends one bin and begins the next one; with it their sizes change.
    """
    scaled = gradient * bins.inverse[..., None]
    by_integral = (F.pad(scaled, (0, 0, 1, 1)).diff(dim=-2) * bins.hats).sum(dim=-1)
    by_size = F.pad((scaled * bins.weights).sum(dim=-1), (1, 1)).diff(dim=-1)
    return by_size - by_integral


def _blocks(net: AtomIoUNet) -> tuple[LinearBlock, LinearBlock]:
    return net.fc3_rt, net.fc4_rt


def _folded(block: LinearBlock) -> nn.Linear:
    if isinstance(block.bn, nn.BatchNorm1d):
        return fuse_linear_bn_eval(block.linear, block.bn)
    return block.linear
