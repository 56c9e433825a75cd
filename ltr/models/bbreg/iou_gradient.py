"""The predicted IoU of boxes and its gradient with respect to the boxes, in closed form.

With frozen weights nothing but the boxes has a gradient, and they enter by the bin weights of the pooling alone: one
small matrix per axis, box and layer. Shapes: B images, n boxes of each, b bins a side, a map (H, W) of C channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ltr.models.bbreg.atom_iou_net import AtomIoUNet
    from ltr.models.layers.blocks import LinearBlock


MARGIN = 1  # cells by which boxes may leave those that they first touch
REACH = 2  # cells that a feature of the test branch sees on each side of its own
MULTIPLE = 2  # of the sides of a part, which is what the convolutions' tiles divide


class _Span(NamedTuple):
    """Cells of one axis of a map."""

    start: int
    stop: int

    def within(self, other: _Span) -> bool:
        return other.start <= self.start and self.stop <= other.stop


_Spans = list[tuple[_Span, _Span]]  # rows and columns, by layer


class _Part(NamedTuple):
    """Part of a map whose channels are multiplied by the modulation vector."""

    values: Tensor  # (B, H, W, C)
    start: tuple[int, int]  # its first row and column on the map


class _Windows(NamedTuple):
    """What of every layer's map the boxes touch: as many cells for all, or the whole of a part."""

    starts: list[tuple[int, int]]  # first row and column, by layer
    length: int

    def of(self, layer: int, part: _Part, axis: int) -> slice:
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
    """What `AtomIoUNet.predict_iou_with_gradient` computes, with the weights of a frozen network laid out for it."""

    edge_map: Tensor
    last: Tensor

    def __init__(self, net: AtomIoUNet) -> None:
        super().__init__()
        pools = (net.prroi_pool3t, net.prroi_pool4t)
        self.bins = [pool.output_size[0] for pool in pools]
        self.starts = [0, self.bins[0] + 1]  # first edge of each layer
        self.hidden = [len(block.linear.weight) for block in _blocks(net)]
        self._keep("edge_map", torch.cat([_edges(pool.spatial_scale, pool.output_size[0]) for pool in pools], dim=2))
        last = torch.cat((net.iou_predictor.weight[0], net.iou_predictor.bias))
        self._keep("last", last.detach()[None])  # (1, F + 1)
        for layer, (block, bins) in enumerate(zip(_blocks(net), self.bins, strict=True)):
            linear = _folded(block)
            # The pooled channels come last here, in the order of memory, and first in the network's weights.
            weight = linear.weight.detach().unflatten(1, (-1, bins * bins)).transpose(1, 2).flatten(1)
            self._keep(f"weight{layer}", weight.contiguous())  # (O, b * b * C)
            self._keep(f"shift{layer}", linear.bias.detach()[:, None])  # (O, 1)

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
        spans = self.touched(edges, [layer.shape[-2:] for layer in feat])
        iou, gradient = self.evaluate(modulation, parts, edges, spans)
        return iou, gradient.to(boxes.dtype)

    def edges(self, boxes: Tensor) -> Tensor:  # (B, n, 4) -> (B, n, 2, K), float64
        """Edges of the bins on the axes (y, x) of the layers' maps."""
        return (boxes.double() @ self.edge_map.flatten(1)).unflatten(2, self.edge_map.shape[1:])

    def evaluate(
        self, modulation: Sequence[Tensor], parts: Sequence[_Part], edges: Tensor, spans: _Spans
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, from the parts of the maps that hold the spans which the boxes touch."""
        windows = _windows(spans, parts)
        bins = _bin_weights(edges, self._cells(windows, edges.device))
        weights = bins.weights.to(parts[0].values.dtype)
        outputs, iou = self._last_layer(modulation)
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
        weight, shift = (getattr(self, f"{name}{index}") for name in ("weight", "shift"))
        flat = map_.flatten(2)  # (B, H, W * C)
        in_rows = (rows.flatten(1, 2) @ flat).view(batch, count, bins, width, channels)
        pooled = (columns[:, :, None] @ in_rows).view(batch * count, -1)  # (B * n, b * b * C)
        # With the few boxes as columns the product reads the weights in the order of memory.
        hidden = torch.addmm(shift, weight, pooled.mT).relu().mT.reshape(batch, count, -1)
        iou = (hidden * output).sum(dim=-1)

        gradient = ((output * (hidden > 0)) @ weight).view(batch, count, bins, bins, channels)
        column_gradient = (gradient @ in_rows.mT).sum(dim=2)
        row_gradient = (columns.mT[:, :, None] @ gradient).view(batch, count * bins, -1) @ flat.mT
        return iou, row_gradient.view(batch, count, bins, -1), column_gradient

    def _last_layer(self, modulation: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Weights (N, 1, O) of both layers' outputs and the bias (N, 1): learnt offline, or those of each target."""
        last = modulation[2] if len(modulation) > 2 else self.last
        return list(last[:, None, :-1].split(self.hidden, dim=2)), last[:, -1:]

    def touched(self, edges: Tensor, sizes: Sequence[Sequence[int]]) -> _Spans:
        """What of maps (H, W) the boxes touch; on a GPU all of it, as asking would make it wait.

        Beyond it every bin weight is zero: the search area is several times larger than the target.
        """
        whole = [(_Span(0, height), _Span(0, width)) for height, width in sizes]
        if edges.device.type != "cpu":
            return whole
        low, high = (ends.tolist() for ends in edges.flatten(0, 1).aminmax(dim=0))  # (2, K) each
        spans = []
        for index, size in enumerate(sizes):
            own = slice(self.starts[index], self.starts[index] + self.bins[index] + 1)
            ends = [(min(low[axis][own]), max(high[axis][own])) for axis in (0, 1)]
            if not all(map(math.isfinite, (*ends[0], *ends[1]))):
                return whole
            rows, columns = (_cells_between(*pair, extent) for pair, extent in zip(ends, size, strict=True))
            spans.append((rows, columns))
        return spans

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


class LocalIoU:
    """Predicted IoU and its gradient for boxes in given images, with features of the test branch where they are needed.

    The first boxes decide which part of the maps is computed; where later ones leave it, the whole is.
    """

    def __init__(
        self,
        net: AtomIoUNet,
        modulation: Sequence[Tensor],
        layers: Sequence[Tensor],  # two of (B, D, H, W), of the backbone
    ) -> None:
        self.net, self.modulation, self.layers = net, modulation, layers
        self.gradient = net.iou_gradient or IoUGradient(net)
        self.whole = [(_Span(0, layer.shape[2]), _Span(0, layer.shape[3])) for layer in layers]
        self.parts: list[_Part] = []
        self.valid: _Spans = []  # where the parts have the values of the whole map

    def __call__(self, boxes: Tensor) -> tuple[Tensor, Tensor]:  # (B, n, 4) -> (B, n), (B, n, 4)
        edges = self.gradient.edges(boxes)
        spans = self.gradient.touched(edges, [layer.shape[-2:] for layer in self.layers])
        if not self.parts:
            self._compute([_map_pairs(_grown, *pair) for pair in zip(spans, self.whole, strict=True)])
        if not all(
            span.within(valid)
            for pairs in zip(spans, self.valid, strict=True)
            for span, valid in zip(*pairs, strict=True)
        ):
            self._compute(self.whole)
        iou, gradient = self.gradient.evaluate(self.modulation, self.parts, edges, spans)
        return iou, gradient.to(boxes.dtype)

    def _compute(self, spans: _Spans) -> None:
        cut = [layer[:, :, slice(*r), slice(*c)] for layer, (r, c) in zip(self.layers, spans, strict=True)]
        features = self.net.get_iou_feat(cut)
        self.parts = [
            modulated(feature, vector, (rows.start, columns.start))
            for feature, vector, (rows, columns) in zip(features, self.modulation[:2], spans, strict=True)
        ]
        self.valid = [_map_pairs(_valid, *pair) for pair in zip(spans, self.whole, strict=True)]


def modulated(
    feature: Tensor,  # (B, C, H, W)
    vector: Tensor,  # (N, C) or (N, C, 1, 1); N is 1 or B
    start: tuple[int, int] = (0, 0),
) -> _Part:
    """Features as they are pooled: a factor per channel commutes with the pooling."""
    return _Part(feature.permute(0, 2, 3, 1) * vector.view(len(vector), 1, 1, -1), start)


def _map_pairs(
    function: Callable[[_Span, _Span], _Span], first: tuple[_Span, _Span], second: tuple[_Span, _Span]
) -> tuple[_Span, _Span]:
    return function(first[0], second[0]), function(first[1], second[1])


def _cells_between(low: float, high: float, extent: int) -> _Span:
    """Cells of an axis whose hat functions are not zero everywhere between two coordinates; one at least."""
    start = min(max(math.floor(low), 0), extent - 1)
    return _Span(start, max(min(math.ceil(high) + 1, extent), start + 1))


def _grown(span: _Span, whole: _Span) -> _Span:
    """Span to compute features on, for boxes that touch the given one."""
    needed = span.stop - span.start + 2 * (MARGIN + REACH)
    length = min(-(-needed // MULTIPLE) * MULTIPLE, whole.stop)
    start = (span.start + span.stop - length) // 2
    start = max(min(start, whole.stop - length), 0)
    return _Span(start, start + length)


def _valid(span: _Span, whole: _Span) -> _Span:
    """Where convolutions padded with zeros do not see that the map was cut."""
    start = 0 if span.start == 0 else span.start + REACH
    return _Span(start, span.stop if span.stop == whole.stop else span.stop - REACH)


def _windows(spans: _Spans, parts: Sequence[_Part]) -> _Windows:
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
    offsets = (edges[..., None] - cells).clamp_(-1, 1)
    distances = offsets.abs()
    integral = torch.addcmul(offsets, offsets, distances, value=-0.5)
    sizes = edges.diff(dim=-1)
    # A zero that is made where the sizes are: a number would be copied from the host, which CUDA graphs bar.
    inverse = torch.where(sizes > 0, sizes.reciprocal(), sizes.new_zeros(()))
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
