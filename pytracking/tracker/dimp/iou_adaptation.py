"""The IoU-Net's last layer, fitted to the target in the first frame.

The network tells objects from their surroundings; what counts as the target - a face or the whole head - is known from
the first box alone. There the overlap of any box with the target is known, so a linear layer can be fitted to it. This
is for networks that predict an overlap, not for those of SuperDiMP and PrDiMP, which give log-densities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr.common.boxes import overlap
from ltr.common.types import Image
from pytracking.features.augmentation import Size
from pytracking.features.crops import crop_around, sample_position, sample_scale
from pytracking.tracker.dimp.state import TargetState, box_in_crop

VIEW_SCALES = (0.7, 0.8, 0.9, 1.1, 1.25, 1.4)  # of the search area
VIEW_SHIFT = 0.3  # largest one of the search area, in target sizes
BOXES_PER_CROP = 64
SPREADS = (0.03, 0.1, 0.2, 0.3)  # of the boxes' centers, in the side of their square, and of the logs of their sides
HALF_PIXEL = 0.5  # `box_in_crop` puts boxes that far from where the IoU-Net was trained to see them


@dataclass(frozen=True)
class Views:
    """Further crops of the first frame."""

    crops: Tensor  # (n, 3, h, w) RGB 0..255
    boxes: Tensor  # (n, 4) xywh in crop pixels, on the host


def scaled_views(
    image: Image, state: TargetState, crop_sz: Size, generator: torch.Generator, device: torch.device
) -> Views:
    """Search areas of other sizes, moved at random: the target larger and smaller than in the augmented crops."""
    crops, boxes = [], []
    for factor in VIEW_SCALES:
        shift = VIEW_SHIFT * (2 * torch.rand(2, generator=generator).double().numpy() - 1) * state.size
        extent = state.scale * factor * np.array(crop_sz)
        crop, coords = crop_around(image, state.pos + shift, extent, crop_sz, device=device)
        crops.append(crop)
        center, scale = sample_position(coords), sample_scale(coords, crop_sz)
        boxes.append(box_in_crop(state.pos, state.size, center, scale, crop_sz))
    return Views(torch.cat(crops), torch.from_numpy(np.stack(boxes)))


def fit_predictor(
    regressor: Any,  # AtomIoUNet
    modulation: Sequence[Tensor],  # (1, C) each
    layers: Sequence[Tensor],  # (B, C, H, W) each, of crops around the target
    boxes: Tensor,  # (B, 4) xywh of the target in the crops' pixels
    stiffness: float,
    generator: torch.Generator,  # on the CPU
) -> Tensor:  # (1, F + 1)
    """Weights and bias of the last layer for this target, see `AtomIoUNet.adapt`."""
    target = torch.cat((boxes[:, :2] - HALF_PIXEL, boxes[:, 2:]), dim=1)
    proposals, iou = spread_boxes(target, BOXES_PER_CROP, generator)
    own: Tensor = regressor.adapt(modulation, regressor.get_iou_feat(layers), proposals, 2 * iou - 1, stiffness)
    return own


def spread_boxes(
    target: Tensor,  # (B, 4) xywh, on the host
    num: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:  # (B, num, 4), (B, num) IoU with the target
    """Random boxes around each target, near and far."""
    count = len(target)
    spread = torch.tensor(SPREADS)[torch.randint(len(SPREADS), (count, num), generator=generator)]
    noise = (torch.randn(count, num, 4, generator=generator) * spread[..., None]).to(target)
    corner, size = target[:, None, :2], target[:, None, 2:]
    sizes = size * noise[..., 2:].exp()
    corners = corner + size / 2 + noise[..., :2] * size.prod(dim=-1, keepdim=True).sqrt() - sizes / 2
    boxes = torch.cat((corners, sizes), dim=-1)
    return boxes, torch.from_numpy(overlap(boxes.numpy(), target[:, None].numpy()))
