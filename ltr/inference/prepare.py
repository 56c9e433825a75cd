"""One step from a trained network to one that tracks.

The fast form has its batch norms folded, its predicted IoU with a gradient in closed form, and on a CPU its backbone
compiled by OpenVINO and its heads' convolutions by Winograd's method; the plain form is the network as it was built, in
eager PyTorch. They compute the same within the rounding of float32.
"""

from __future__ import annotations

import copy
from functools import partial, singledispatch
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import nn

from ltr.common.errors import InputError
from ltr.inference.engine import CompiledBackbone, CompiledModule, engine_available
from ltr.inference.folding import fold_batch_norms
from ltr.inference.iou_gradient import IoUGradient
from ltr.inference.local_iou import LocalIoU
from ltr.inference.precision import compute_in
from ltr.inference.winograd import use_winograd
from ltr.models.backbone.base import Backbone
from ltr.models.backbone.efficientnet_lite import EfficientNetLite0
from ltr.models.bbreg.atom_iou_net import AtomIoUNet
from ltr.models.tracking.dimpnet import DiMPnet
from ltr.models.tracking.mdnet import MDNet, MDNetLite

Network = TypeVar("Network", bound=nn.Module)
Form = Literal["fast", "plain"]
FORMS: tuple[str, ...] = get_args(Form)


def prepare(
    network: Network, device: torch.device | str = "cpu", dtype: str = "float32", form: Form = "fast"
) -> Network:
    """Frozen copy of a network in evaluation mode on a device, which computes the same within rounding.

    `dtype` is that of the convolutions in front of what learns online and of the boxes' regression: "float32",
    "bfloat16", or on a GPU "tf32" and "float16"; the fast form alone has a choice. What computes with the network does
    so in `float32_arithmetic`, without which "float32" is what the process allows. State dicts of fast forms are other
    ones.

    Raises:
        ValueError: the network is in training mode, or the form is unknown.
        InputError: the device does not compute in the dtype, or the plain form is to compute in another than float32.
    """
    if network.training:
        raise ValueError("Expected a network in evaluation mode, found training mode: call .eval() first.")
    if form not in FORMS:
        raise ValueError(f"Expected the form {' or '.join(FORMS)}, got '{form}'.")
    device = torch.device(device)
    if form == "plain":
        if dtype != "float32":
            raise InputError(f"expected the dtype float32 for the plain form of a network, found '{dtype}'")
        return copy.deepcopy(network).requires_grad_(False).to(device)

    prepared = fold_batch_norms(network).to(memory_format=torch.channels_last)
    for module in prepared.modules():
        if isinstance(module, EfficientNetLite0):
            module.mirror_()
        if isinstance(module, AtomIoUNet):
            module.predictor = partial(LocalIoU, module, IoUGradient(module).to(device))
    if dtype != "float32":
        for part in _convolutions(prepared):
            compute_in(part, dtype, str(device))
    elif device.type == "cpu" and engine_available():
        prepared = _compiled(prepared)
    return prepared.to(device)


@singledispatch
def _convolutions(network: nn.Module) -> list[nn.Module]:
    """What tolerates less than float32: convolutions, not what learns online and not the boxes."""
    raise InputError(f"expected the dtype float32 for a {type(network).__name__}, which has no choice")


@_convolutions.register
def _(network: DiMPnet) -> list[nn.Module]:
    parts: list[nn.Module] = [network.feature_extractor, network.classifier.feature_extractor]
    if (regressor := network.bb_regressor) is not None:
        parts += [regressor.conv3_1t, regressor.conv3_2t, regressor.conv4_1t, regressor.conv4_2t]
    return parts


@_convolutions.register
def _(network: MDNetLite) -> list[nn.Module]:
    return [network.feature_extractor]


@_convolutions.register
def _(network: MDNet) -> list[nn.Module]:
    return [network.layers.get_submodule(name) for name in ("conv1", "conv2", "conv3")]


@singledispatch
def _compiled(network: Any) -> Any:
    """The network with what is worth it compiled, in place; others stay as they are."""
    return network


@_compiled.register
def _(network: Backbone) -> nn.Module:
    return CompiledBackbone(network)


@_compiled.register
def _(network: DiMPnet) -> nn.Module:
    network.feature_extractor = CompiledBackbone(network.feature_extractor)
    use_winograd(network.classifier.feature_extractor)
    if (regressor := network.bb_regressor) is not None:
        for part in (regressor.conv3_1t, regressor.conv3_2t, regressor.conv4_1t, regressor.conv4_2t):
            use_winograd(part)
    return network


@_compiled.register
def _(network: MDNetLite) -> nn.Module:
    network.feature_extractor = CompiledBackbone(network.feature_extractor, sizes_change=True)
    return network


@_compiled.register
def _(network: MDNet) -> nn.Module:
    names = ("conv1", "conv2", "conv3")
    convolutions = nn.Sequential(*(network.layers.get_submodule(name) for name in names))
    network.convolutions = CompiledModule(convolutions, sizes_change=True)
    return network
