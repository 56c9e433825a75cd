"""The training samples of the first frame."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ltr.common.types import Array, Image
from pytracking.features.augmentation import Rotate, Scale, Shift, Size, initial_transforms
from pytracking.features.crops import crop_around
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.state import TargetState, box_in_crop


@dataclass(frozen=True)
class InitialSamples:
    crops: Tensor  # (n, 3, h, w) RGB 0..255, the first one plain
    boxes: Tensor  # (n, 4) xywh in crop pixels, on the host
    exact: list[int]  # those whose box bounds the target: all before the first scaled or rotated one


def initial_samples(
    image: Image,
    state: TargetState,
    crop_sz: Size,
    params: DiMPParams,
    generator: torch.Generator,
    device: torch.device,
) -> InitialSamples:
    """Augmented crops around the target, cut from one larger patch, and the target's box in each.

    Boxes follow the shift of a crop alone: a rotated or flipped target keeps its place and, nearly, its extent.
    """
    pos = np.rint(state.pos)
    scale, global_shift = _inside_image(state, crop_sz, params)
    expansion = params.augmentation_expansion_factor if params.use_augmentation else 1.0
    patch_sz = _expanded(crop_sz, expansion)
    patch, _ = crop_around(image, pos, scale * np.array(patch_sz), patch_sz, device=device)

    augmentation = params.augmentation if params.use_augmentation else {}
    transforms = initial_transforms(
        augmentation, crop_sz, _random_shift(crop_sz, params, global_shift, generator), _whole(global_shift)
    )
    crops = torch.cat([transform(patch) for transform in transforms])
    box = torch.from_numpy(box_in_crop(state.pos, state.size, pos, scale, crop_sz))
    boxes = torch.stack([box + torch.tensor([t.shift[1], t.shift[0], 0.0, 0.0]) for t in transforms])
    exact = [i for i, transform in enumerate(transforms) if not isinstance(transform, Rotate | Scale)]
    return InitialSamples(crops, boxes, exact)


def dropout_features(
    feature: Tensor,  # (1, C, H, W)
    num: int,
    probability: float,
    generator: torch.Generator,
) -> Tensor:  # (num, C, H, W)
    """Copies with random channels set to zero and the others scaled up, drawn on the CPU for every device."""
    kept = torch.rand(num, feature.shape[1], 1, 1, generator=generator) >= probability
    return feature * (kept / (1 - probability)).to(feature)


def _random_shift(
    crop_sz: Size, params: DiMPParams, global_shift: Array, generator: torch.Generator
) -> Callable[[], Shift]:
    """Draws shifts around the global one."""

    def draw() -> Shift:
        noise = (torch.rand(2, generator=generator) - 0.5) * torch.tensor(crop_sz) * params.random_shift_factor
        return _whole(noise.numpy() + global_shift)

    return draw


def _whole(shift: Array) -> Shift:
    """The shift in whole pixels, towards zero."""
    return int(shift[0]), int(shift[1])


def _inside_image(state: TargetState, crop_sz: Size, params: DiMPParams) -> tuple[float, Array]:
    """Scale of the first crops and the shift (2,) that keeps them inside the image, for the border modes `inside*`."""
    if params.border_mode == "replicate":
        return state.scale, np.zeros(2)
    extent = state.scale * np.array(crop_sz)
    ratio = extent / state.image_sz
    ratio = ratio.max() if params.border_mode == "inside" else ratio.min()
    extent = extent / np.clip(ratio, 1, params.patch_max_scale_change)
    scale = float(np.sqrt(np.prod(extent / np.array(crop_sz))))
    before = np.maximum(np.ceil(-(state.pos - (extent - 1) / 2)), 0)
    after = np.maximum(np.ceil(state.pos + extent / 2 + 1 - state.image_sz), 0)
    return scale, -(before - after) / scale


def _expanded(crop_sz: Size, factor: float) -> Size:
    """Patch size whose center crop is symmetric: it differs from the crop by an even number of pixels."""
    height, width = (int(extent * factor) for extent in crop_sz)
    return height + (height - crop_sz[0]) % 2, width + (width - crop_sz[1]) % 2
