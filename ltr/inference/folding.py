"""Batch norms folded into the layers before them, for inference."""

import copy
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def fold_batch_norms(network: Network) -> Network:
    """Frozen copy of an evaluation-mode network whose batch norms are absorbed by the layers before them.

    A batch norm belongs to the convolution or linear layer registered directly before it in the same module, which
    holds for every network of this package. Outputs agree within rounding; the state dict is a different one.

    Raises:
        ValueError: the network is in training mode, where a batch norm is no fixed affine map.
    """
    if network.training:
        raise ValueError("Expected a network in evaluation mode, found training mode: call .eval() first.")
    folded = copy.deepcopy(network).requires_grad_(False)
    for parent in list(folded.modules()):
        _fold_children(parent)
    return folded


def _fold_children(parent: nn.Module) -> None:
    children = list(parent.named_children())
    for (layer_name, layer), (norm_name, norm) in pairwise(children):
        fused: nn.Module
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            fused = fuse_conv_bn_eval(layer, norm)
        elif isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
            fused = fuse_linear_bn_eval(layer, norm)
        else:
            continue
        setattr(parent, layer_name, fused)
        setattr(parent, norm_name, nn.Identity())
