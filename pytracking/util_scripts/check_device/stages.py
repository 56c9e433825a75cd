"""The stages of a frame of the DiMP trackers, each from the same input on the device and in the plain form."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.common.types import Array, Image
from ltr.inference.precision import float32_arithmetic
from pytracking.features.crops import CropGeometry
from pytracking.tracker.dimp.box_refinement import IoUBoxes
from pytracking.tracker.dimp.localization import SearchArea, localize, preprocess_scores
from pytracking.tracker.dimp.search import CropArea, scale_factors
from pytracking.util_scripts.check_device.arithmetic import relative_error
from pytracking.util_scripts.check_device.copying import copy_state
from pytracking.util_scripts.check_device.processes import Found, Setting
from pytracking.util_scripts.check_device.results import Measurement
from pytracking.util_scripts.check_device.scene import video
from pytracking.util_scripts.check_device.trackers import Pair, make_pair

MEMBERS = ("rls_dimp_lite", "dimp_lite_iounet", "rls_dimp50")  # boxes by ridge regression, by the IoU-Net, ResNet-50
FEATURES = "roundings of fifty float32 layers"


@torch.no_grad()
def stages(setting: Setting) -> Found:
    """Crops, features, search and refinement of the second frame."""
    measured, weights = [], {}
    for name in MEMBERS:
        pair = make_pair("dimp", name, setting.device)
        weights[name] = pair.weights
        images = video(2)
        pair.reference.initialize(images.images[0], images.start)
        pair.checked.initialize(images.images[0], images.start)
        copy_state(pair.reference, pair.checked)
        with float32_arithmetic(pair.checked.device):
            measured += _second_frame(name, pair, images.images[1])
    return Found(measured, {"weights": weights})


def _second_frame(name: str, pair: Pair, image: Image) -> list[Measurement]:
    reference, checked = pair.reference, pair.checked
    params, device = reference.params, checked.device
    target = reference.target
    factors = scale_factors(params, 2)
    area = CropArea.around(target.pos, target.scale, factors, image.shape[:2], reference.crop_sz, params)

    crops = area.cut(image, device, params.patch_resize)
    exact = torch.cat([_exact_crop(image, geometry, area.crop_sz) for geometry in area.geometries])
    measured = [
        Measurement(
            f"{name}: crop",
            float((crops.cpu().double() - exact).abs().max()),
            0.1,
            "places of pixels have the roundings of float32",
            "gray levels",
        )
    ]

    crops = exact.float()
    layers = reference.net.extract_backbone(crops, reference.layers)
    features = reference.net.extract_classification_feat(layers)
    own_layers = checked.net.extract_backbone(crops.to(device), checked.layers)
    own_features = checked.net.extract_classification_feat(own_layers)
    for layer, values in layers.items():
        error = relative_error(own_layers[layer], values)
        measured.append(Measurement(f"{name}: {layer} of the backbone, relative error", error, 1e-4, FEATURES))
    error = relative_error(own_features, features)
    measured.append(Measurement(f"{name}: features of the filter, relative error", error, 1e-4, FEATURES))

    scores, own_scores = (
        preprocess_scores(
            tracker.classifier.classify(features.to(tracker.device)),
            params.score_preprocess,
            params.score_filter_ksz,
            tracker.classifier.softmax_reg,
        )
        for tracker in (reference, checked)
    )
    reason = "sums of thousands of products in float32"
    measured.append(Measurement(f"{name}: scores, relative error", relative_error(own_scores, scores), 1e-5, reason))
    where = SearchArea(area.pos, area.scale, reference.cell)
    found, own = (
        localize(values.cpu().numpy(), where, target.pos, target.size, params, reference.window)
        for values in (scores, own_scores)
    )
    measured.append(Measurement(f"{name}: flags that differ", float(found.flag != own.flag), 0, "scores are equal"))
    distance = float(np.abs(found.translation - own.translation).max())
    measured.append(Measurement(f"{name}: place of the target", distance, 0, "the peak is in the same cell", "px"))

    boxes = [_refined(tracker, area, layers) for tracker in (reference, checked)]
    difference = float(np.abs(boxes[0] - boxes[1]).max())
    reason = "five steps of gradient ascent, 3e-5 px each"
    measured.append(Measurement(f"{name}: refined box", difference, 1e-2, reason, "px"))
    return measured


def _refined(tracker: Any, area: CropArea, layers: dict[str, Tensor]) -> Array:
    """Position and size (4,) of the target after its box was refined, in full steps and with full trust."""
    target, boxes = copy.deepcopy(tracker.target), tracker.boxes
    if isinstance(boxes, IoUBoxes):
        boxes = replace(boxes, params=boxes.params.replace(box_refinement_step_length=1.0))
    own_layers = {name: layer.to(tracker.device) for name, layer in layers.items()}
    pos = boxes.refine(target, area.view(0), own_layers, 1.0)
    return np.concatenate((pos, target.size))


def _exact_crop(image: Image, geometry: CropGeometry, size: tuple[int, int]) -> Tensor:
    """The same pixels, resized in float64."""
    rows, columns = (
        np.clip(geometry.offset[axis] + geometry.step * np.arange(low, high), 0, image.shape[axis] - 1)
        for axis, (low, high) in enumerate(zip(geometry.top_left, geometry.bottom_right, strict=True))
    )
    pixels = torch.from_numpy(image[rows][:, columns]).double().permute(2, 0, 1)[None]
    return F.interpolate(pixels, size, mode="bilinear", align_corners=False)
