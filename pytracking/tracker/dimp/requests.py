"""What the DiMP tracker asks of its network, for one run or for several at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ltr.admin.transfer import upload
from ltr.models.target_classifier.joint import update_together
from pytracking.features.device_crops import crop_together
from pytracking.features.graphs import call, graphs_of
from pytracking.features.preprocessing import CropGeometry, crop
from pytracking.tracker.base.lockstep import Request, T
from pytracking.tracker.dimp.frame_search import Found, FrameSearch, read_row
from pytracking.tracker.dimp.online_learning import OnlineClassifier
from pytracking.utils.types import Array, Image

Features = dict[str, Tensor]

# Images that go through the network at a time. On a CPU the layers of one image fit into the cache, those of many do
# not; on a GPU the limit keeps the first frames, of a dozen crops a run, within its memory.
BATCH_ON_CPU = 4
BATCH_ON_DEVICE = 64


class GraphRequest(Request[T]):
    """A request that one CUDA graph can answer."""

    def kind(self) -> Hashable:
        return type(self), self.key()


@dataclass(frozen=True, eq=False)
class Crops(Request[Tensor]):
    """Crops (S, 3, h, w) RGB 0..255 of an image."""

    image: Image
    geometries: list[CropGeometry]
    output_sz: tuple[int, int]
    device: torch.device
    resize: str

    def key(self) -> Hashable:
        return id(self.image), self.output_sz, self.device, self.resize

    @classmethod
    def answer(cls, requests: Sequence[Self]) -> list[Tensor | Exception]:
        first = requests[0]
        image, device = first.image, first.device
        geometries = [geometry for request in requests for geometry in request.geometries]
        # A device gets what has fewer pixels: all that is cut out, or the image.
        if device.type != "cpu" and sum(geometry.pixels for geometry in geometries) > image.shape[0] * image.shape[1]:
            whole = upload(torch.from_numpy(np.ascontiguousarray(image)), device)
            crops = crop_together(whole, geometries, first.output_sz)
        else:
            crops = _cat([crop(image, geometry, first.output_sz, device, first.resize) for geometry in geometries])
        return [crops[part] for part in _slices([len(request.geometries) for request in requests])]


@dataclass(frozen=True, eq=False)
class Extraction(GraphRequest[tuple[Features, Tensor]]):
    """Backbone features of crops, and the features that the filter sees."""

    net: Any
    crops: Tensor  # (n, 3, h, w) RGB 0..255
    layers: tuple[str, ...] | None = None  # of the backbone; None: those of the network's heads
    use_graph: bool = False  # where there are CUDA graphs; it pays for crops that come in every frame

    def key(self) -> Hashable:
        return self.net.identity, self.crops.device, self.crops.shape[1:], self.layers, self.use_graph

    @classmethod
    def answer(cls, requests: Sequence[Self]) -> list[tuple[Features, Tensor] | Exception]:
        first, crops = requests[0], _cat([request.crops for request in requests])
        names = first.layers or first.net.output_layers

        def extract(images: Tensor) -> list[Tensor]:
            backbone = first.net.extract_backbone(images, names)
            return [*(backbone[name] for name in names), first.net.extract_classification_feat(backbone)]

        run = graphs_of(first.net.net).run if first.use_graph else call
        parts = crops.split(BATCH_ON_CPU if crops.device.type == "cpu" else BATCH_ON_DEVICE)
        *layers, features = _cat_each([run(extract, [part], first.kind) for part in parts])
        slices = _slices([len(request.crops) for request in requests])
        return [(dict(zip(names, [layer[s] for layer in layers], strict=True)), features[s]) for s in slices]


@dataclass(frozen=True, eq=False)
class Location(GraphRequest[Found]):
    """Where the target is in the crops of a frame, and its box where the search has a way to find it."""

    net: Any
    search: FrameSearch
    filter: Tensor  # (1, C, k, k)
    features: Tensor  # (S, C, H, W)
    layers: list[Tensor]  # (S, C, H, W) each, for the box
    state: Array  # of `pack_state`

    def key(self) -> Hashable:
        shapes = [tensor.shape for tensor in (self.filter, self.features, *self.layers)]
        return self.net.identity, self.features.device, tuple(shapes), len(self.state), self.search.key

    @classmethod
    def answer(cls, requests: Sequence[Self]) -> list[Found | Exception]:
        search = requests[0].search
        features = _cat([request.features for request in requests])
        features = features.view(len(requests), -1, *features.shape[1:])
        state = torch.from_numpy(np.concatenate([request.state for request in requests]).reshape(len(requests), -1))
        inputs = [_cat([request.filter for request in requests]), features, upload(state, features.device)]
        inputs += [] if search.window is None else [search.window]
        inputs += _cat_each([request.search.learnt for request in requests])
        inputs += _cat_each([request.layers for request in requests])
        run = graphs_of(requests[0].net.net).run if search.params.use_cuda_graphs else call
        rows, scores = run(search, inputs, requests[0].kind)
        return [read_row(row, of_run) for row, of_run in zip(read_back(rows), scores, strict=True)]


def read_back(rows: Tensor) -> list[list[float]]:
    """What the host waits for in every frame, once."""
    numbers: list[list[float]] = rows.cpu().tolist()
    return numbers


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


def _cat(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def _cat_each(tuples: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    return [_cat(list(tensors)) for tensors in zip(*tuples, strict=True)]


def _slices(counts: list[int]) -> list[slice]:
    return [slice(start, stop) for start, stop in pairwise(accumulate(counts, initial=0))]
