"""What the DiMP tracker asks of its network, for one run or for several at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Self

import torch
from torch import Tensor

from ltr.models.layers.filter import apply_filters
from ltr.models.target_classifier.joint import update_together
from pytracking.tracker.base.lockstep import Request
from pytracking.tracker.dimp.box_refinement import refine_boxes
from pytracking.tracker.dimp.online_learning import OnlineClassifier
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.utils.types import Array

Features = dict[str, Tensor]

# Images that go through the network at a time. On a CPU the layers of one image fit into the cache, those of many do
# not; on a GPU the limit keeps the first frames, of a dozen crops a run, within its memory.
BATCH_ON_CPU = 4
BATCH_ON_DEVICE = 64


@dataclass(frozen=True, eq=False)
class Extraction(Request[tuple[Features, Tensor]]):
    """Backbone features of crops, and the features that the filter sees."""

    net: Any
    crops: Tensor  # (n, 3, h, w) RGB 0..255
    layers: tuple[str, ...] | None = None  # of the backbone; None: those of the network's heads

    def key(self) -> Hashable:
        return _network(self.net), self.crops.device, self.crops.shape[1:], self.layers

    @classmethod
    def answer(cls, requests: Sequence[Self]) -> list[tuple[Features, Tensor] | Exception]:
        net, crops = requests[0].net, _cat([request.crops for request in requests])
        parts = []
        for part in crops.split(BATCH_ON_CPU if crops.device.type == "cpu" else BATCH_ON_DEVICE):
            backbone = net.extract_backbone(part, requests[0].layers)
            parts.append((backbone, net.extract_classification_feat(backbone)))
        layers = {name: _cat([backbone[name] for backbone, _ in parts]) for name in parts[0][0]}
        features = _cat([feature for _, feature in parts])
        slices = _slices([len(request.crops) for request in requests])
        return [({name: layer[s] for name, layer in layers.items()}, features[s]) for s in slices]


@dataclass(frozen=True, eq=False)
class Scoring(Request[Array]):
    """Scores (S, H', W') of every position, in the memory of the CPU."""

    filter: Tensor  # (1, C, k, k)
    features: Tensor  # (S, C, H, W)

    def key(self) -> Hashable:
        return self.features.device, self.filter.shape, self.features.shape

    @classmethod
    def answer(cls, requests: Sequence[Self]) -> list[Array | Exception]:
        filters = _cat([request.filter for request in requests])
        scores = apply_filters(torch.stack([request.features for request in requests]), filters)
        return list(scores.cpu().numpy())


@dataclass(frozen=True, eq=False)
class Refinement(Request[tuple[Tensor, Tensor]]):
    """Refined boxes (n, 4) and their predicted IoU (n,), in the memory of the CPU."""

    net: Any
    modulation: tuple[Tensor, ...]  # (1, C) each
    layers: list[Tensor]  # (1, C, H, W) each
    proposals: Tensor  # (n, 4) xywh in crop pixels
    params: DiMPParams

    def _settings(self) -> tuple[Any, ...]:
        params = self.params
        return (
            params.box_refinement_space,
            params.box_refinement_iter,
            params.box_refinement_step_length,
            params.box_refinement_step_decay,
        )

    def key(self) -> Hashable:
        shapes = [tensor.shape for tensor in (self.proposals, *self.modulation, *self.layers)]
        return _network(self.net), self.proposals.device, tuple(shapes), repr(self._settings())

    @classmethod
    def answer(cls, requests: Sequence[Self]) -> list[tuple[Tensor, Tensor] | Exception]:
        regressor = requests[0].net.bb_regressor
        layers = _cat_each([request.layers for request in requests])
        predict = regressor.iou_in(_cat_each([request.modulation for request in requests]), layers)
        proposals = torch.stack([request.proposals for request in requests])
        boxes, iou = refine_boxes(predict, proposals, *requests[0]._settings())
        refined = torch.cat((boxes, iou[..., None]), dim=-1).cpu()
        return [(run[:, :4], run[:, 4]) for run in refined]


@dataclass(frozen=True, eq=False)
class Update(Request[None]):
    """Online update of the filter on the samples in its memory."""

    classifier: OnlineClassifier
    num_iter: int

    def key(self) -> Hashable:
        return self.num_iter, self._is_shared() and self.classifier.filter_update().kind()

    def _is_shared(self) -> bool:
        """Whether several updates gain from being made together: where starting an operation is what it costs."""
        return self.classifier.filter.device.type != "cpu" and not self.classifier.watches

    @classmethod
    def answer(cls, requests: Sequence[Self]) -> list[Exception | None]:
        if len(requests) == 1 or not requests[0]._is_shared():
            return [_update(request) for request in requests]
        classifiers = [request.classifier for request in requests]
        filters = update_together([each.filter_update() for each in classifiers], requests[0].num_iter)
        for classifier, filter in zip(classifiers, filters, strict=True):
            if isinstance(filter, Tensor):
                classifier.filter = filter
        return [filter if isinstance(filter, Exception) else None for filter in filters]


def _update(request: Update) -> Exception | None:
    try:
        request.classifier.update(request.num_iter)
    except Exception as error:  # an update that failed must not be tried again: it may have changed P
        return error
    return None


def _network(net: Any) -> Hashable:
    return id(net.net), repr(net.describe())


def _cat(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def _cat_each(tuples: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    return [_cat(list(tensors)) for tensors in zip(*tuples, strict=True)]


def _slices(counts: list[int]) -> list[slice]:
    return [slice(start, stop) for start, stop in pairwise(accumulate(counts, initial=0))]
