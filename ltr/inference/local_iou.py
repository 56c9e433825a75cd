"""The predicted IoU of boxes in given images, computed with what of the maps and weights the boxes need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from ltr.inference.iou_gradient import IoUGradient, Part, Reach, Span, Spans, modulated
from ltr.inference.projected_iou import ProjectedIoU, Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ltr.models.bbreg.atom_iou_net import AtomIoUNet


MARGIN = 1  # cells by which boxes may leave those that they first touch
REACH = 2  # cells that a feature of the test branch sees on each side of its own
MULTIPLE = 2  # of the sides of a part, which is what the convolutions' tiles divide


class LocalIoU:
    """Predicted IoU and its gradient for boxes in given images, with features of the test branch where they are needed.

    The first boxes decide which part of the maps is computed; where later ones leave it, the whole is.
    """

    def __init__(
        self,
        net: AtomIoUNet,
        gradient: IoUGradient,
        modulation: Sequence[Tensor],
        layers: Sequence[Tensor],  # two of (B, D, H, W), of the backbone
    ) -> None:
        self.net, self.gradient, self.modulation, self.layers = net, gradient, modulation, layers
        self.shapes = [layer.shape[2:] for layer in layers]
        self.whole = [(Span(0, height), Span(0, width)) for height, width in self.shapes]
        self.parts: list[Part] = []
        self.valid: Spans = []  # where the parts have the values of the whole map
        self.projected: ProjectedIoU | None = None

    def __call__(self, boxes: Tensor) -> tuple[Tensor, Tensor]:  # (B, n, 4) -> (B, n), (B, n, 4)
        edges = self.gradient.edges(boxes)
        reach = Reach.of(edges)
        spans = self.gradient.touched(reach, self.shapes)
        if not self.parts:
            self._compute([_map_pairs(_grown, *pair) for pair in zip(spans, self.whole, strict=True)])
        if not all(
            span.within(valid)
            for pairs in zip(spans, self.valid, strict=True)
            for span, valid in zip(*pairs, strict=True)
        ):
            self._compute(self.whole)
        if reach is not None and (projected := self._projected(reach, boxes.shape[1])):
            iou, gradient = projected(edges)
        else:
            iou, gradient = self.gradient.evaluate(self.modulation, self.parts, edges, spans)
        return iou, gradient.to(boxes.dtype)

    def _projected(self, reach: Reach, boxes: int) -> ProjectedIoU | None:
        if self.projected is None or not self.projected.windows.hold(self.gradient, reach, self.shapes):
            windows = Windows.around(self.gradient, reach, self.shapes, boxes)
            self.projected = windows and ProjectedIoU(self.gradient, self.modulation, self.parts, windows)
        return self.projected

    def _compute(self, spans: Spans) -> None:
        cut = [layer[:, :, slice(*r), slice(*c)] for layer, (r, c) in zip(self.layers, spans, strict=True)]
        features = self.net.get_iou_feat(cut)
        self.parts = [
            modulated(feature, vector, (rows.start, columns.start))
            for feature, vector, (rows, columns) in zip(features, self.modulation[:2], spans, strict=True)
        ]
        self.projected = None
        self.valid = [_map_pairs(_valid, *pair) for pair in zip(spans, self.whole, strict=True)]


def _map_pairs(
    function: Callable[[Span, Span], Span], first: tuple[Span, Span], second: tuple[Span, Span]
) -> tuple[Span, Span]:
    return function(first[0], second[0]), function(first[1], second[1])


def _grown(span: Span, whole: Span) -> Span:
    """Span to compute features on, for boxes that touch the given one."""
    needed = span.stop - span.start + 2 * (MARGIN + REACH)
    length = min(-(-needed // MULTIPLE) * MULTIPLE, whole.stop)
    start = (span.start + span.stop - length) // 2
    start = max(min(start, whole.stop - length), 0)
    return Span(start, start + length)


def _valid(span: Span, whole: Span) -> Span:
    """Where convolutions padded with zeros do not see that the map was cut."""
    start = 0 if span.start == 0 else span.start + REACH
    return Span(start, span.stop if span.stop == whole.stop else span.stop - REACH)
