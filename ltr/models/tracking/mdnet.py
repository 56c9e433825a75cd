"""MDNet as RT-MDNet uses it (Jung et al., ECCV 2018): features of many boxes of one scene, and a small classifier.

The convolutions run once over a scene, RoIAlign takes the features of each box from their map, and fully connected
layers fc4-6 tell target from background. Only those learn online: `make_head` gives a tracker its own copy.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.models.backbone.base import Backbone
from ltr.models.layers.adaptive_roi_align import adaptive_roi_align_max
from ltr.models.layers.dropout import SeededDropout
from ltr.models.layers.normalization import InstanceL2Norm
from ltr.models.tracking.settings import FLAG, NAMES, check_arguments, count

ROI_SIZE = 3  # cells a side of a box's features


class SingleElementLRN(nn.Module):
    """Local response normalization with a window of one element: x / (2 + 1e-4 x²)^0.75."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mul(1e-4).add_(2)).pow_(-0.75)


class MDNetHead(nn.Sequential):
    """fc4, fc5, fc6: features (n, feature_dim) to logits (n, 2), the second one for the target."""

    def __init__(self, feature_dim: int, hidden_dim: int, generator: torch.Generator | None = None) -> None:
        parts = fully_connected(feature_dim, hidden_dim, generator)
        super().__init__(OrderedDict(**parts, fc6=_last_layer(hidden_dim, generator)))
        self.feature_dim = feature_dim
        self.hidden_dim = hidden_dim

    @property
    def linear_layers(self) -> dict[str, nn.Linear]:
        parts = self.named_children()
        return {name: layer for name, part in parts for layer in part.children() if isinstance(layer, nn.Linear)}

    @property
    def input_modules(self) -> dict[nn.Module, nn.Module]:
        """The module whose input counts as a layer's for RLS: the dropout before it, where there is one."""
        pairs = (tuple(part.children())[:2] for part in self.children())
        return {layer: before for before, layer in pairs if isinstance(before, SeededDropout)}

    @torch.no_grad()
    def initialize_(self, generator: torch.Generator | None = None, names: tuple[str, ...] = ("fc4", "fc5")) -> Self:
        """Random weights: of fc6 always, of the others by name.

        fc4 and fc5 keep the scale of their input (variance 2 / inputs), fc6 starts near zero (standard deviation 0.01).
        """
        for name, layer in self.linear_layers.items():
            if name == "fc6" or name in names:
                _initialize(layer, name, generator)
        return self


def _initialize(layer: nn.Linear, name: str, generator: torch.Generator | None) -> None:
    std = 0.01 if name == "fc6" else (2 / layer.in_features) ** 0.5
    layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * std)
    layer.bias.zero_()


def fully_connected(
    feature_dim: int, hidden_dim: int, generator: torch.Generator | None = None
) -> dict[str, nn.Sequential]:
    """fc4 and fc5; the linear layers have the names fc4.0 and fc5.1."""
    fc4 = nn.Sequential(nn.Linear(feature_dim, hidden_dim), nn.ReLU())
    fc5 = nn.Sequential(SeededDropout(0.5, generator), nn.Linear(hidden_dim, hidden_dim), nn.ReLU())
    return {"fc4": fc4, "fc5": fc5}


def _last_layer(hidden_dim: int, generator: torch.Generator | None = None) -> nn.Sequential:
    return nn.Sequential(SeededDropout(0.5, generator), nn.Linear(hidden_dim, 2))


class RoIFeatureNet(nn.Module):
    """What the trackers of the MDNet family ask of a network.

    A scene is a part of the image, scaled so that the target is `target_size` pixels a side; both sides of it are
    multiples of `scene_multiple`.
    """

    image_mean: tuple[float, float, float]  # of images in 0..1
    image_std: tuple[float, float, float]
    target_size: int = 107
    scene_multiple: int = 1
    feature_dim: int
    hidden_dim: int = 512
    layers: nn.Sequential  # fc4 and fc5 are among them if they are trained offline
    branches: nn.ModuleList  # fc6 of every training domain

    def extract_roi_features(
        self,
        scenes: Tensor,  # (B, 3, H, W), normalized
        rois: Tensor,  # (R, 5) batch index, x1, y1, x2, y2, scene pixels
    ) -> Tensor:  # (R, feature_dim)
        """Features of boxes; raises TypeError where a network has none."""
        raise TypeError(f"{type(self).__name__} has no extract_roi_features(scenes, rois)")

    def make_head(self, generator: torch.Generator | None = None) -> MDNetHead:
        """A classifier of the tracker's own: fc4 and fc5 of the network where it has them, the rest drawn anew."""
        head = MDNetHead(self.feature_dim, self.hidden_dim, generator).initialize_(generator)
        trained = {name: value for name, value in self.layers.state_dict().items() if name.startswith("fc")}
        head.load_state_dict(head.state_dict() | trained)
        return head.to(next(self.parameters()).device)

    def forward(self, features: Tensor, branch: int = 0) -> Tensor:  # (n, feature_dim) -> (n, 2)
        """Logits of box features in one domain."""
        logits: Tensor = self.branches[branch](self.hidden_features(features))
        return logits

    @torch.no_grad()
    def initialize_fully_connected_(self, generator: torch.Generator | None = None) -> Self:
        """Random weights for the start of an offline training, those of `MDNetHead.initialize_`."""
        for name in ("fc4.0", "fc5.1"):
            _initialize(cast(nn.Linear, self._layer(name)), name, generator)
        for layer in self._last_layers():
            _initialize(layer, "fc6", generator)
        return self

    def hidden_features(self, features: Tensor) -> Tensor:  # (n, feature_dim) -> (n, hidden_dim)
        """What every branch sees of box features; the network must have been built with fc4 and fc5."""
        return self._layer("fc5")(self._layer("fc4")(features))

    def domain_logits(
        self,
        hidden: Tensor,  # (n, hidden_dim)
        domains: Tensor,  # (K,) branch numbers
    ) -> Tensor:  # (n, K, 2)
        """Logits in several domains, which share the dropout: one target is compared with itself across them."""
        layers = self._last_layers()
        # Stacked whole, so that every branch has a gradient in every process of a distributed training.
        weight = torch.stack([layer.weight for layer in layers])[domains]  # (K, 2, hidden_dim)
        bias = torch.stack([layer.bias for layer in layers])[domains]
        dropped = self.branches[0].get_submodule("0")(hidden)
        return F.linear(dropped, weight.flatten(0, 1), bias.flatten()).unflatten(1, (len(domains), 2))

    def _layer(self, name: str) -> nn.Module:
        return self.layers.get_submodule(name)

    def _last_layers(self) -> list[nn.Linear]:
        return [cast(nn.Linear, branch.get_submodule("1")) for branch in self.branches]


class MDNet(RoIFeatureNet):
    """conv1-3 of VGG-M and fc4-6. Input RGB - 128; the features have stride 8 and 512 channels.

    `num_branches` counts the copies of fc6 in the state dict, one for each training domain; a tracker needs none.
    """

    image_mean = (128 / 255,) * 3
    image_std = (1 / 255,) * 3
    stride = 8
    receptive_field = 75
    feature_dim = 512 * ROI_SIZE**2

    def __init__(self, num_branches: int = 1, with_fully_connected: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            OrderedDict(
                conv1=nn.Sequential(nn.Conv2d(3, 96, 7, stride=2), nn.ReLU(), SingleElementLRN(), nn.MaxPool2d(3, 2)),
                conv2=nn.Sequential(nn.Conv2d(96, 256, 5, stride=2), nn.ReLU(), SingleElementLRN()),
                conv3=nn.Sequential(nn.Conv2d(256, 512, 3, dilation=3), nn.ReLU()),
                **(fully_connected(self.feature_dim, self.hidden_dim) if with_fully_connected else {}),
            )
        )
        self.branches = nn.ModuleList(_last_layer(self.hidden_dim) for _ in range(num_branches))
        self.convolutions: nn.Module | None = None  # conv1-3 as one module, of a network prepared for inference

    def extract_feature_maps(self, scenes: Tensor) -> dict[str, Tensor]:  # (B, 3, H, W)
        """Maps of conv1, conv2 and conv3 by name; `conv3` is (B, 512, H', W')."""
        maps, x = {}, scenes
        for name in ("conv1", "conv2", "conv3"):
            maps[name] = x = self._layer(name)(x)
        return maps

    def extract_roi_features(self, scenes: Tensor, rois: Tensor) -> Tensor:
        """Features (R, 4608), channel by channel."""
        feat = self.extract_feature_maps(scenes)["conv3"] if self.convolutions is None else self.convolutions(scenes)
        visible = without_receptive_field(rois[:, 1:], self.receptive_field)
        rois = torch.cat((rois[:, :1], visible), dim=1)
        return adaptive_roi_align_max(feat, rois, ROI_SIZE, 1 / self.stride).flatten(1)


class MDNetLite(RoIFeatureNet):
    """Features of EfficientNet-Lite0 in place of VGG-M's.

    Each layer's map is scaled as a whole to a mean square of one. Without branches, fc4-6 have no weights but those of
    the first frame.
    """

    scene_multiple = 16  # the backbone's padding would move the cells at other sizes

    def __init__(
        self,
        backbone: Backbone,
        layer_strides: dict[str, int],  # layers that are used
        channels: int,  # of all of them together
        target_size: int,
        hidden_dim: int,
        num_branches: int = 0,  # training domains
    ) -> None:
        super().__init__()
        self.feature_extractor = backbone
        self.norm = InstanceL2Norm()
        self.layer_strides = layer_strides
        self.target_size = target_size
        self.hidden_dim = hidden_dim
        self.feature_dim = channels * ROI_SIZE**2
        self.image_mean, self.image_std = backbone.image_mean, backbone.image_std
        trained = fully_connected(self.feature_dim, hidden_dim) if num_branches else {}
        self.layers = nn.Sequential(OrderedDict(trained))
        self.branches = nn.ModuleList(_last_layer(hidden_dim) for _ in range(num_branches))

    def extract_roi_features(self, scenes: Tensor, rois: Tensor) -> Tensor:
        """Features (R, feature_dim), layer by layer."""
        maps = self.feature_extractor(scenes, tuple(self.layer_strides))
        parts = []
        for name, stride in self.layer_strides.items():
            points = torch.cat((rois[:, :1], centered_points(rois[:, 1:], stride)), dim=1)
            parts.append(adaptive_roi_align_max(self.norm(maps[name]), points, ROI_SIZE, 1 / stride).flatten(1))
        return torch.cat(parts, dim=1)


def without_receptive_field(
    boxes: Tensor,  # (R, 4) x1, y1, x2, y2
    receptive_field: float,
) -> Tensor:  # (R, 4)
    """Boxes on the map of unpadded convolutions, times its stride: a cell begins where its receptive field does.

    At least one pixel a side is left.
    """
    near, far = boxes[:, :2], boxes[:, 2:]
    return torch.cat((near, torch.maximum(near + 1, far - receptive_field)), dim=1)


def centered_points(
    boxes: Tensor,  # (R, 4) x1, y1, x2, y2
    stride: int,
    num: int = 2 * ROI_SIZE + 1,
) -> Tensor:  # (R, 4)
    """RoIs whose `num` points a side lie in the middle of equal parts of the boxes.

    For maps whose cells look at the middle of their square of the image, as those of the trained EfficientNet do where
    the stride divides the image's size.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    near = boxes[:, :2] + size / (2 * num) - (stride - 1) / 2
    return torch.cat((near, torch.maximum(near + 1, near + size - stride)), dim=1)


def mdnet(num_branches: int = 1, with_fully_connected: bool = True) -> MDNet:
    """MDNet with random weights; those of RT-MDNet or VGG-M come from a file. Raises ValueError for a wrong value."""
    check_arguments({"num_branches": count(0), "with_fully_connected": FLAG}, locals())
    return MDNet(num_branches, with_fully_connected)


def mdnet_lite0(
    backbone_pretrained: bool = True,  # the weights come with an installed package
    layers: Sequence[str] = ("layer2", "layer3"),
    target_size: int = 72,
    hidden_dim: int = 128,
    num_branches: int = 0,
    frozen_backbone_layers: Sequence[str] = (),  # submodules of the backbone that are not trained
) -> MDNetLite:
    """MDNet on features of EfficientNet-Lite0, usable without training.

    With branches, one for each training domain, it has an fc4 and an fc5 that are learnt offline.

    Raises:
        ValueError: no layers, or other ones than layer1 to layer4; another value that is of no use.
    """
    checks = {"backbone_pretrained": FLAG, "target_size": count(1), "hidden_dim": count(1), "num_branches": count(0)}
    check_arguments({**checks, "frozen_backbone_layers": NAMES}, locals())
    from ltr.models.backbone.efficientnet_lite import efficientnet_lite0

    known = {"layer1": (4, 24), "layer2": (8, 40), "layer3": (16, 112), "layer4": (32, 320)}  # stride, channels
    if not layers or not set(layers) <= set(known):
        raise ValueError(f"Expected layers among {', '.join(known)}, got {tuple(layers)}.")
    strides = {name: known[name][0] for name in layers}
    channels = sum(known[name][1] for name in layers)
    backbone = efficientnet_lite0(pretrained=backbone_pretrained)
    backbone.freeze(frozen_backbone_layers)
    return MDNetLite(backbone, strides, channels, target_size, hidden_dim, num_branches)
