"""Helpers for tests of networks."""

import torch
from torch import Tensor, nn

from ltr.models.bbreg.atom_iou_net import AtomIoUNet

IOU_BOXES = torch.tensor(  # three in each of two images
    [
        [[60.0, 70, 80, 90], [100, 90, 40, 60], [10, 20, 200, 150]],
        [[90, 80, 70, 50], [0, 0, 50, 50], [120, 130, 90, 40]],
    ]
)


def random_statistics(network: nn.Module) -> nn.Module:
    """The network in evaluation mode, with batch norms that do something."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_()
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.5, 1.5)
    return network.eval()


def narrow_iou_net() -> AtomIoUNet:
    """An IoU-Net for backbone layers of a few channels."""
    network = AtomIoUNet((6, 8)).requires_grad_(False)
    random_statistics(network)
    return network


def iou_features(images: int) -> tuple[Tensor, Tensor]:
    """Backbone layers for `narrow_iou_net`."""
    return torch.randn(images, 6, 36, 36), torch.randn(images, 8, 18, 18)
