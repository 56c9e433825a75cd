"""The training samples of the first frame: boxes in jittered scenes, and in extra crops of the target."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ltr.common.types import Image
from ltr.data.box_sampling import sample_boxes
from ltr.data.scene import Scene, scene_around, scene_of
from pytracking.tracker.rtmdnet.features import RoIFeatures
from pytracking.tracker.rtmdnet.params import RTMDNetParams, Sampling

Draw = Callable[[Tensor, int, Sampling], Tensor]
CROPS_AT_ONCE = 20  # memory for maps of one hundred crops is not always there


@dataclass(frozen=True)
class FirstFrame:
    """Features (n, D) of each kind of sample; boxes (n, 4) and features of those for regression are pairs."""

    positives: Tensor
    negatives: Tensor
    regression: Tensor
    regression_boxes: Tensor


def first_frame_samples(
    image: Image,
    target: Tensor,  # (4,) x, y, w, h
    features: RoIFeatures,
    params: RTMDNetParams,
    generator: torch.Generator,
) -> FirstFrame:
    """Samples of the target's first image; the target itself is always among the positives."""

    def draw(around: Tensor, num: int, sampling: Sampling) -> Tensor:
        return sample_boxes(around, num, sampling, image.shape[:2], generator)

    positives = draw(target, params.init_positives, params.init_positive_sampling)
    groups = [
        positives if len(positives) else target[None],
        draw(target, params.init_negatives, params.init_negative_sampling),
        draw(target, params.regression_samples if params.bbox_regression else 0, params.regression_sampling),
    ]
    scene_features = _in_scenes(image, target, groups, features, params, generator)
    crop_features, crop_boxes = _in_extra_crops(image, target, draw, features, params, generator)
    parts = [torch.cat(pair) for pair in zip(scene_features, crop_features, strict=True)]
    return FirstFrame(parts[0], parts[1], parts[2], torch.cat((groups[2], crop_boxes)))


def _in_scenes(
    image: Image,
    target: Tensor,
    groups: list[Tensor],
    features: RoIFeatures,
    params: RTMDNetParams,
    generator: torch.Generator,
) -> list[Tensor]:
    """Features of each box in one of the scenes, drawn at random.

    RT-MDNet takes the features of all boxes in all scenes and keeps a random subset of the original size.
    """
    boxes = torch.cat(groups)
    scenes = jittered_scenes(image, target, boxes, features, params)
    chosen = torch.randint(len(scenes), (len(boxes),), generator=generator)
    result = features.empty(len(boxes))
    for number, scene in enumerate(scenes):
        inside = (chosen == number).nonzero()[:, 0]
        if len(inside):
            result[inside.to(result.device)] = features.in_scene(image, scene, boxes[inside])
    return list(result.split([len(group) for group in groups]))


def jittered_scenes(
    image: Image, target: Tensor, boxes: Tensor, features: RoIFeatures, params: RTMDNetParams
) -> list[Scene]:
    """The scene of the boxes: as it is, moved to the left, moved up, and at other scales."""
    shift = params.scene_shift
    jitters = [(1.0, (0.0, 0.0)), (1.0, (-shift, 0.0)), (1.0, (0.0, -shift))]
    jitters += [(zoom, (0.0, 0.0)) for zoom in params.scene_scales]
    net, sides = features.net, features.target_sides(target)
    return [
        scene_around(boxes, sides, image.shape[:2], net.target_size, net.scene_multiple, zoom, moved)
        for zoom, moved in jitters
    ]


def _in_extra_crops(
    image: Image,
    target: Tensor,
    draw: Draw,
    features: RoIFeatures,
    params: RTMDNetParams,
    generator: torch.Generator,
) -> tuple[list[Tensor], Tensor]:
    """Features of positives, negatives and boxes for regression of every crop, and the boxes of the last."""
    num_crops = params.extra_crops
    num_positives, num_negatives, num_regression = params.extra_crop_samples
    kinds = (
        (num_positives * num_crops, params.init_positive_sampling),
        (num_negatives * num_crops, params.extra_negative_sampling),
        (num_regression * num_crops if params.bbox_regression else 0, params.regression_sampling),
    )
    scenes = extra_crops(target, features, params, generator)
    groups = [draw(target, num, sampling) for num, sampling in kinds]
    found = []
    for boxes in groups:
        crop_of_box = torch.arange(len(boxes)) % max(num_crops, 1)
        result = features.empty(len(boxes))
        for start in range(0, num_crops, CROPS_AT_ONCE):
            chunk = scenes[start : start + CROPS_AT_ONCE]
            here = (crop_of_box >= start) & (crop_of_box < start + len(chunk))
            result[here.to(result.device)] = features.in_scenes(image, chunk, boxes[here], crop_of_box[here] - start)
        found.append(result)
    return found, groups[2]


def extra_crops(
    target: Tensor, features: RoIFeatures, params: RTMDNetParams, generator: torch.Generator
) -> list[Scene]:
    """Crops around the target, jittered in position and scale, all of one size in pixels.

    The size is that of the largest scale; where the scale is smaller, the crop shows more of the surroundings.
    """
    net, sides = features.net, features.target_sides(target)
    noise = torch.randn(params.extra_crops, 3, generator=generator, dtype=torch.float64).numpy()
    shifts = np.clip(2 * noise[:, :2], -4, 4)
    zooms = 1.1 ** np.clip(noise[:, 2], -2, 2)
    center = (target[:2] + target[2:] / 2).numpy()
    largest = 1.1**2
    scenes = []
    for shift, zoom in zip(shifts, zooms, strict=True):
        extent = params.extra_crop_size * sides * largest / zoom
        scenes.append(scene_of(center - extent / 2 + shift, extent, sides, net.target_size, net.scene_multiple, zoom))
    return scenes
