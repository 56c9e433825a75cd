"""Boxes by ridge regression from pooled backbone features: learnt on the first frame, nothing is learnt offline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ltr.data.box_sampling import draw_boxes
from ltr.data.sampling_options import uniform
from ltr.models.layers.normalization import InstanceL2Norm
from ltr.models.layers.prroi_pool import prroi_pool2d
from pytracking.tracker.base.box_regression import BoxRegressor
from pytracking.tracker.dimp.params import DiMPParams

Features = dict[str, Tensor]

OVERLAP_RANGE = (0.6, 1.0)  # of a box with the target or the result; others are neither learnt from nor believed
AREA_RANGE = (0.5, 2.0)

_norm = InstanceL2Norm()  # the mean square of a map becomes 1, so that one ridge penalty fits all layers


@dataclass(frozen=True)
class RidgeBoxes:
    """Moves a box onto the target, as far as its features tell; see `BoxRegressor`."""

    regressor: BoxRegressor
    cells: dict[str, int]  # a side, that a box has in each layer
    context: float  # side of the pooled region in sides of the box

    @classmethod
    def fit(
        cls,
        layers: Features,  # (n, C, H, W) each, of crops of the first frame
        targets: Tensor,  # (n, 4) xywh of the target in the crops' pixels
        crop_sz: tuple[int, int],
        params: DiMPParams,
        generator: torch.Generator,
    ) -> Self | None:
        """Regressor learnt from random boxes around the target in each crop; None where none of them is usable."""
        sampling = uniform(params.ridge_translation, params.ridge_scale, params.ridge_aspect, OVERLAP_RANGE)
        targets = targets.double().cpu()
        drawn = [draw_boxes(target, params.ridge_samples, sampling, crop_sz, generator) for target in targets]
        boxes = torch.cat(drawn)
        crop = torch.arange(len(targets)).repeat_interleave(params.ridge_samples)
        features = box_features(layers, boxes, crop, crop_sz, params.ridge_cells, params.ridge_context)
        regressor = BoxRegressor.fit(features, boxes, targets[crop], params.ridge_alpha, OVERLAP_RANGE, AREA_RANGE)
        if regressor is None:
            return None
        return cls(regressor, params.ridge_cells, params.ridge_context)

    def refine(
        self,
        layers: Features,  # (1, C, H, W) each
        box: Tensor,  # (4,) xywh in crop pixels
        crop_sz: tuple[int, int],
    ) -> Tensor:  # (4,)
        """The box, moved and resized."""
        boxes, crop = box[None].double().cpu(), torch.zeros(1, dtype=torch.long)
        features = box_features(layers, boxes, crop, crop_sz, self.cells, self.context)
        return self.regressor.moved(features, boxes)[0]


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
