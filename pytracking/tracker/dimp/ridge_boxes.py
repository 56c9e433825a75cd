"""Boxes by ridge regression from pooled backbone features: learnt on the first frame, nothing is learnt offline."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ltr.data.box_sampling import draw_boxes
from ltr.data.sampling_options import uniform
from ltr.models.layers.normalization import InstanceL2Norm
from ltr.models.layers.prroi_pool import hat_integral, prroi_pool2d
from pytracking.tracker.base.box_regression import BoxRegressor, believed_boxes, moved_boxes
from pytracking.tracker.dimp.localization import Values
from pytracking.tracker.dimp.params import DiMPParams

Features = dict[str, Tensor]

OVERLAP_RANGE = (0.6, 1.0)  # of a box with the target or the result; others are neither learnt from nor believed
AREA_RANGE = (0.5, 2.0)

_norm = InstanceL2Norm()  # the mean square of a map becomes 1, so that one ridge penalty fits all layers


@dataclass(frozen=True, eq=False)
class RidgeBoxes:
    """Moves boxes onto their targets, as far as their features tell; see `BoxRegressor`.

    The motion is linear in a map: `learnt` has the factors of the pooled numbers as they lie in memory, so that
    neither the order of the features nor their norm takes a pass of its own.
    """

    regressor: BoxRegressor
    learnt: tuple[Tensor, ...]  # (1, 4, b * b * C) float64 for each layer of `cells`, then the intercept (1, 4)
    cells: dict[str, int]  # b, a side, that a box has in each layer
    context: float  # side of the pooled region in sides of the box
    crop_sz: tuple[int, int]

    @classmethod
    def fit(
        cls,
        layers: Features,  # (n, C, H, W) each, of crops of the first frame
        targets: Tensor,  # (n, 4) xywh of the target in the crops' pixels, on the host
        crop_sz: tuple[int, int],
        params: DiMPParams,
        generator: torch.Generator,
    ) -> Self | None:
        """Regressor learnt from random boxes around the target in each crop; None where none of them is usable."""
        cells, context = params.ridge_cells, params.ridge_context
        sampling = uniform(params.ridge_translation, params.ridge_scale, params.ridge_aspect, OVERLAP_RANGE)
        targets = targets.double()
        drawn = [draw_boxes(target, params.ridge_samples, sampling, crop_sz, generator) for target in targets]
        boxes = torch.cat(drawn)
        crop = torch.arange(len(targets)).repeat_interleave(params.ridge_samples)
        features = box_features(layers, boxes, crop, crop_sz, cells, context)
        regressor = BoxRegressor.fit(features, boxes, targets[crop], params.ridge_alpha, OVERLAP_RANGE, AREA_RANGE)
        if regressor is None:
            return None
        parts = regressor.coefficients.split([layers[name].shape[1] * side**2 for name, side in cells.items()], dim=1)
        learnt = [
            part.unflatten(1, (-1, side**2)).mT.flatten(1)[None]
            for part, side in zip(parts, cells.values(), strict=True)
        ]
        return cls(regressor, (*learnt, regressor.intercept[None]), cells, context, crop_sz)

    @property
    def key(self) -> Hashable:
        return type(self), tuple(self.cells.items()), self.context, self.crop_sz

    def __call__(
        self,
        learnt: Sequence[Tensor],  # those of R targets, (R, ...) each
        layers: Sequence[Tensor],  # (R, C, H, W) of `cells`
        box: Values,  # (R, 4) xywh in crop pixels
        jitter: Values,  # (R, 0, 4)
    ) -> Tensor:  # (R, 5) float64: 1, for there is a box, and the box
        moved = torch.as_tensor(self.moved(learnt, layers, box))
        return torch.cat((torch.ones_like(moved[:, :1]), moved), dim=1)

    def moved(
        self, learnt: Sequence[Tensor], layers: Sequence[Tensor], box: Values
    ) -> Values:  # (R, 4) float64, of the kind of `box`
        maps: list[Values] = [layer.permute(0, 2, 3, 1).float() for layer in layers]  # (R, H, W, C)
        norms: list[Values] = [torch.linalg.vector_norm(each.flatten(1), dim=1, keepdim=True) for each in maps]
        values: list[Values] = list(learnt)
        if isinstance(box, np.ndarray):
            maps, norms, values = ([tensor.numpy() for tensor in tensors] for tensors in (maps, norms, values))
        boxes = _as_type(box, "float64")
        weights = self._bin_weights(boxes, [each.shape[1:3] for each in maps], layers[0].device)
        *coefficients, motion = values
        start = 0
        for map_, norm, coefficient, side in zip(maps, norms, coefficients, self.cells.values(), strict=True):
            columns, rows = (
                weights[:, axis, start : start + side, :length] for axis, length in enumerate(map_.shape[2:0:-1])
            )
            x, y = _touched(columns), _touched(rows)
            inside = map_[:, y, x]
            in_rows = rows[..., y] @ inside.reshape(*inside.shape[:2], -1)  # (R, b, W * C)
            in_bins = columns[:, None, :, x] @ in_rows.reshape(len(inside), side, *inside.shape[2:])  # (R, b, b, C)
            features = in_bins.reshape(len(inside), -1) * (_norm.factor_of(norm**2, math.prod(map_.shape[1:])) / side)
            motion = motion + (coefficient @ _as_type(features, "float64")[:, :, None])[:, :, 0]
            start += side
        with np.errstate(over="ignore", invalid="ignore"):  # what is out of the ranges is not believed
            return believed_boxes(boxes, moved_boxes(boxes, motion), OVERLAP_RANGE, AREA_RANGE)

    def _bin_weights(
        self, boxes: Values, shapes: Sequence[Sequence[int]], device: torch.device
    ) -> Values:  # (R, 2, K, L) float32
        """Mean of every cell's hat function over every bin of all layers, on the axes (x, y), as in `prroi_pool2d`."""
        bins = _bins_of(
            tuple((self.crop_sz[0] / shape[0], side) for shape, side in zip(shapes, self.cells.values(), strict=True)),
            max(map(max, shapes)),
            device if isinstance(boxes, Tensor) else None,
        )
        extents = boxes[:, 2:] * self.context
        corners = boxes[:, :2] + boxes[:, 2:] / 2 - extents / 2
        low = corners[:, :, None] * bins.scale + extents[:, :, None] * bins.share + bins.offset
        size = (extents[:, :, None] * bins.step)[..., None]
        from_low = low[..., None] - bins.cells
        return _as_type((hat_integral(from_low + size) - hat_integral(from_low)) / size, "float32")


def _as_type(values: Values, name: str) -> Values:
    return values.to(getattr(torch, name)) if isinstance(values, Tensor) else values.astype(name)


def _touched(weights: Values) -> slice:  # (R, b, L)
    """Cells with weights; on a device, which would have to be asked, all of them."""
    if isinstance(weights, Tensor):
        return slice(None)
    cells = np.flatnonzero(weights.any(axis=(0, 1)))
    return slice(cells[0], cells[-1] + 1) if len(cells) else slice(0, 1)


class _Bins(NamedTuple):
    """Bins of all layers in a row, as linear functions of a box's lower corner and extent on one axis."""

    scale: Values  # (K,) of the corner in the lower edge of a bin
    share: Values  # (K,) of the extent
    offset: Values  # (K,)
    step: Values  # (K,) size of a bin in extents
    cells: Values  # (L,) coordinates


@cache  # never emptied: CUDA graphs read it
def _bins_of(layers: tuple[tuple[float, int], ...], length: int, device: torch.device | None) -> _Bins:
    """For the stride and the bins of each layer; arrays of numpy without a device."""
    strides = np.concatenate([np.full(side, stride) for stride, side in layers])
    step = np.concatenate([np.full(side, 1 / side / stride) for stride, side in layers])
    share = np.concatenate([np.arange(side) / side / stride for stride, side in layers])
    # The middle of the first cell lies half a stride behind the crop's edge.
    arrays = (1 / strides, share, (1 - strides) / 2 / strides, step, np.arange(length, dtype=float))
    return _Bins(*(array if device is None else torch.from_numpy(array).to(device) for array in arrays))


def box_features(
    layers: Features,  # (B, C, H, W) each
    boxes: Tensor,  # (n, 4) xywh in crop pixels
    crop: Tensor,  # (n,) the crop of each box
    crop_sz: Sequence[int],
    cells: dict[str, int],
    context: float,
) -> Tensor:  # (n, D)
    """Normalized features of the layers named in `cells`, pooled over the boxes and what surrounds them."""
    centers, half = boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:] * (context / 2)
    corners = torch.cat((centers - half, centers + half), dim=1)
    pooled = []
    for name, side in cells.items():
        layer = layers[name].float()
        stride = crop_sz[0] / layer.shape[-2]
        # The middle of the first cell lies half a stride behind the crop's edge.
        rois = torch.cat((crop[:, None], corners - (stride - 1) / 2), dim=1).to(layer.device)
        factor = _norm.factor(layer).flatten(1) / side  # of the pooled cells, which are fewer than those of the map
        pooled.append(prroi_pool2d(layer, rois, side, 1 / stride).flatten(1) * factor[crop])
    return torch.cat(pooled, dim=1)
