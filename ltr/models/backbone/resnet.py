"""ResNet backbones: torchvision's networks, and so its state-dict keys, with named feature maps.

This module imports torchvision; import it where a ResNet is built, not at the top of a module.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision.models.resnet as tv
from torch import Tensor, nn

from ltr.models.backbone.base import Backbone, WeightsError


class ResNet(Backbone, tv.ResNet):
    """ResNet with named outputs: `conv1` (stride 2, after its ReLU), `layer1`...`layer4`, and the class scores `fc`."""

    image_mean = (0.485, 0.456, 0.406)
    image_std = (0.229, 0.224, 0.225)

    conv1: nn.Module
    bn1: nn.Module
    relu: nn.Module
    maxpool: nn.Module
    avgpool: nn.Module
    fc: nn.Module

    def forward(self, image: Tensor, output_layers: Sequence[str] = ("fc",)) -> dict[str, Tensor]:
        """Feature maps of images (N, 3, H, W), by name, e.g. `net(image, ("layer2", "layer3"))`."""
        deepest = self._deepest(output_layers)
        x = self.relu(self.bn1(self.conv1(image)))
        features = {"conv1": x}
        for name in self.layer_names[1 : deepest + 1]:
            if name == "layer1":
                x = self.maxpool(x)
            if name == "fc":
                x = self.avgpool(x).flatten(1)
            x = features[name] = self.get_submodule(name)(x)
        return {name: features[name] for name in output_layers}


def resnet18(pretrained: bool = False) -> ResNet:
    """ResNet-18; `pretrained` fetches torchvision's ImageNet weights."""
    return _resnet(tv.BasicBlock, (2, 2, 2, 2), tv.ResNet18_Weights.IMAGENET1K_V1 if pretrained else None)


def resnet50(pretrained: bool = False) -> ResNet:
    """ResNet-50; `pretrained` fetches torchvision's ImageNet weights (V1, those DiMP was trained from)."""
    return _resnet(tv.Bottleneck, (3, 4, 6, 3), tv.ResNet50_Weights.IMAGENET1K_V1 if pretrained else None)


def _resnet(block: type[tv.BasicBlock] | type[tv.Bottleneck], blocks: Sequence[int], weights: Any) -> ResNet:
    network = ResNet(block, list(blocks))
    if weights is not None:
        network.load_state_dict(_fetched(weights))
    return network


def _fetched(weights: Any) -> dict[str, Tensor]:
    """torchvision's weights, fetched where they are not yet stored. Raises WeightsError where that fails."""
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=True, check_hash=True)
    except OSError as error:
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        raise WeightsError(
            f"expected the ImageNet weights {path}, or a network to fetch them by, found neither ({error}); put the "
            f"file of {weights.url} there, or start from random weights (backbone_pretrained=false)"
        ) from error
    return state
