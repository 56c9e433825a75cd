"""The yardstick: the same tracker in straightforward eager PyTorch.

Batch norms apart from their convolutions, channels before rows, the gradient of the predicted IoU by autograd, the
target filter by convolution routines, whole images converted to float, crops resized by torch, samples copied out
of their memory.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.models.bbreg.atom_iou_net import AtomIoUNet
from ltr.models.layers.fused_convolution import fuse_convolutions
from ltr.models.target_classifier import linear_filter, loss
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.features.preprocessing import CropGeometry
from pytracking.tracker.dimp import sample_memory as memory
from pytracking.tracker.dimp.box_refinement import IoUGradient, autograd_gradient
from pytracking.tracker.dimp.ridge_boxes import RidgeBoxes, box_features
from pytracking.utils.types import Array, Image


def both_forms(net: NetWithBackbone, device: str, dtype: str) -> tuple[NetWithBackbone, NetWithBackbone]:
    """The wrapper with the fast network loaded, and one with the plain network of the same weights."""
    from ltr.admin.loading import build_network, load_network
    from ltr.admin.network_files import find_network

    kwargs = dict(net.net_kwargs)
    if net.net_path is None:
        torch.manual_seed(0)
        network: Any = build_network(str(net.architecture), **kwargs)
    else:
        network, _ = load_network(find_network(net.net_path), **kwargs)
    network = network.eval().requires_grad_(False)
    fast, plain = copy.copy(net), copy.copy(net)
    fast.net = _fast(network, device, dtype)
    plain.net = network.to(device)
    return fast, plain


def _fast(network: Any, device: str, dtype: str) -> nn.Module:
    from ltr.models.layers.precision import compute_in

    inference: Any = network.for_inference()
    if dtype != "float32":
        for part in inference.low_precision_parts():
            compute_in(part, dtype, device)
    return fuse_convolutions(inference) if device == "cpu" else inference.to(device)


def take(image: Image, geometry: CropGeometry) -> Array:
    """A crop of the image once the whole of it is float, with the edge repeated."""
    whole = image.astype(np.float32)
    rows, columns = (
        offset + geometry.step * np.arange(low, high)
        for offset, low, high in zip(geometry.offset, geometry.top_left, geometry.bottom_right, strict=True)
    )
    limits = [
        offset + (extent - 1 - offset) // geometry.step * geometry.step
        for offset, extent in zip(geometry.offset, image.shape[:2], strict=True)
    ]
    rows, columns = (
        np.clip(indices, offset, limit)
        for indices, offset, limit in zip((rows, columns), geometry.offset, limits, strict=True)
    )
    return whole[rows][:, columns]


def apply_filter(feat: Tensor, filter: Tensor) -> Tensor:
    return F.conv2d(feat, filter, padding=filter.shape[-1] // 2)[:, 0]


def apply_feat_transpose(feat: Tensor, residual: Tensor, filter_size: int) -> Tensor:
    shape = (1, feat.shape[1], filter_size, filter_size)
    gradient: Tensor = torch.nn.grad.conv2d_weight(feat, shape, residual[:, None], padding=filter_size // 2)
    return gradient


def iou_in(regressor: Any, modulation: Sequence[Tensor], layers: Sequence[Tensor]) -> IoUGradient:
    features = regressor.get_iou_feat(layers)

    def predict_iou(boxes: Tensor) -> Tensor:
        iou: Tensor = regressor.predict_iou(modulation, features, boxes)
        return iou

    return autograd_gradient(predict_iou)


def moved_by_ridge(ridge: RidgeBoxes, backbone: dict[str, Tensor], box: Array, crop_sz: Sequence[int]) -> Array:
    given, params = torch.from_numpy(box)[None], ridge.params
    image = torch.zeros(1, dtype=torch.long)
    features = box_features(backbone, given, image, crop_sz, params.ridge_cells, params.ridge_context)
    return ridge.regressor.moved(ridge.regressor.motion(features).cpu(), given)[0].numpy()


@contextmanager
def plain_code() -> Iterator[None]:
    """Within this block the trackers' routines are the plain ones."""
    copied = property(lambda self: self._features[: self.num_stored].clone())
    with (
        patch("pytracking.features.preprocessing._take", take),
        patch.object(loss, "apply_filter", apply_filter),
        patch.object(loss, "apply_feat_transpose", apply_feat_transpose),
        patch.object(linear_filter, "apply_filter", apply_filter),
        patch.object(AtomIoUNet, "iou_in", iou_in),
        patch.object(RidgeBoxes, "moved", moved_by_ridge),
        patch.object(memory.SampleMemory, "features", copied),
    ):
        yield
