"""Boxes by ridge regression from pooled backbone features: learnt on the first frame, nothing is learnt offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ltr.common.types import Array
from ltr.data.box_sampling import draw_boxes
from ltr.data.sampling_options import uniform
from ltr.models.layers.hats import host_hat_integral
from ltr.models.layers.normalization import InstanceL2Norm
from ltr.models.layers.prroi_pool import prroi_pool2d
from pytracking.tracker.base.box_regression import BoxRegressor, believed_boxes, moved_boxes
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.state import CropView, TargetState, trusted_share

Features = dict[str, Tensor]

OVERLAP_RANGE = (0.6, 1.0)  # of a box with the target or the result; others are neither learnt from nor believed
AREA_RANGE = (0.5, 2.0)

_norm = InstanceL2Norm()  # the mean square of a map becomes 1, so that one ridge penalty fits all layers


@dataclass(frozen=True, eq=False)
class RidgeBoxes:
    """Moves boxes onto their targets, as far as their features tell; see `BoxRegressor`.

    A frame has one box, so that it is pooled on the host, which reads the layers once: such small operations cost what
    it takes to start them, and numpy starts them in a third of the time. The motion is linear in a map: `factors` has
    those of the pooled numbers as they lie in memory, so that neither the order of the features nor their norm takes a
    pass of its own.
    """

    regressor: BoxRegressor
    factors: list[Array]  # (4, b * b * C) float64 for each layer of `ridge_cells`
    intercept: Array  # (4,)
    params: DiMPParams

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
        factors = [
            part.unflatten(1, (-1, side**2)).mT.flatten(1).cpu().numpy()
            for part, side in zip(parts, cells.values(), strict=True)
        ]
        return cls(regressor, factors, regressor.intercept.cpu().numpy(), params)

    def refine(self, target: TargetState, view: CropView, backbone: Features, score: float) -> Array:
        """Let the target grow as its box did, as far as the score is trusted; returns its new position (2,)."""
        params = self.params
        box = view.box_of(target).astype(np.float64)
        moved = self.moved(backbone, box, view.crop_sz)
        share = trusted_share(score, params.box_trust_score)
        motion = (moved[:2] + moved[2:] / 2 - box[:2] - box[2:] / 2)[::-1]
        pos = target.inside_image(target.pos + share * motion * view.scale, params.target_inside_ratio)
        growth = (moved[2:] / box[2:])[::-1] ** (share * params.scale_update_rate)
        target.size = target.size * (np.sqrt(growth.prod()) if params.ridge_keep_aspect else growth)
        return pos

    def moved(self, backbone: Features, box: Array, crop_sz: Sequence[int]) -> Array:  # (4,) -> (4,) in crop pixels
        """The box after its regression."""
        cells = self.params.ridge_cells
        layers = [backbone[name][0].permute(1, 2, 0).float().cpu() for name in cells]  # (H, W, C)
        norms = [torch.linalg.vector_norm(layer).numpy() for layer in layers]
        maps = [layer.numpy() for layer in layers]
        weights = self._bin_weights(box, [map_.shape[:2] for map_ in maps], crop_sz)
        motion, start = self.intercept, 0
        for map_, norm, factors, side in zip(maps, norms, self.factors, cells.values(), strict=True):
            columns, lines = (
                weights[axis, start : start + side, :length] for axis, length in enumerate(map_.shape[1::-1])
            )
            x, y = _touched(columns), _touched(lines)
            inside = map_[y, x]
            in_lines = lines[:, y] @ inside.reshape(len(inside), -1)  # (b, W * C)
            in_bins = columns[None, :, x] @ in_lines.reshape(side, *inside.shape[1:])  # (b, b, C)
            features = in_bins.reshape(-1) * (_norm.host_factor(norm**2, map_.size) / side)
            motion = motion + factors @ features.astype(np.float64)
            start += side
        with np.errstate(over="ignore", invalid="ignore"):  # what is out of the ranges is not believed
            moved = moved_boxes(box[None], motion[None])
            believed = believed_boxes(box[None], moved, OVERLAP_RANGE, AREA_RANGE)
        return np.asarray(believed[0])

    def _bin_weights(
        self, box: Array, shapes: Sequence[Sequence[int]], crop_sz: Sequence[int]
    ) -> Array:  # (2, K, L) float32
        """Mean of every cell's hat function over every bin of all layers, on the axes (x, y), as in `prroi_pool2d`."""
        sides = self.params.ridge_cells.values()
        bins = _bins_of(
            tuple((crop_sz[0] / shape[0], side) for shape, side in zip(shapes, sides, strict=True)),
            max(map(max, shapes)),
        )
        extents = (box[2:] * self.params.ridge_context)[:, None]
        corners = box[:2, None] + box[2:, None] / 2 - extents / 2
        low = corners * bins.scale + extents * bins.share + bins.offset
        size = (extents * bins.step)[..., None]
        from_low = low[..., None] - bins.cells
        return ((host_hat_integral(from_low + size) - host_hat_integral(from_low)) / size).astype(np.float32)


def _touched(weights: Array) -> slice:  # (b, L)
    """Cells with weights."""
    cells = np.flatnonzero(weights.any(axis=0))
    return slice(cells[0], cells[-1] + 1) if len(cells) else slice(0, 1)


class _Bins(NamedTuple):
    """Bins of all layers in a row, as linear functions of a box's lower corner and extent on one axis."""

    scale: Array  # (K,) of the corner in the lower edge of a bin
    share: Array  # (K,) of the extent
    offset: Array  # (K,)
    step: Array  # (K,) size of a bin in extents
    cells: Array  # (L,) coordinates


@cache
def _bins_of(layers: tuple[tuple[float, int], ...], length: int) -> _Bins:
    """For the stride and the bins of each layer."""
    strides = np.concatenate([np.full(side, stride) for stride, side in layers])
    step = np.concatenate([np.full(side, 1 / side / stride) for stride, side in layers])
    share = np.concatenate([np.arange(side) / side / stride for stride, side in layers])
    # The middle of the first cell lies half a stride behind the crop's edge.
    return _Bins(1 / strides, share, (1 - strides) / 2 / strides, step, np.arange(length, dtype=float))


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
