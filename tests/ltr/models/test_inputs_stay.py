"""No layer, block or network writes over what it is given, in any of its forms: maps are read by several heads."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision.models.resnet as tv
from torch import Tensor, nn

from ltr.inference.engine import CompiledModule
from ltr.inference.folding import fold_batch_norms
from ltr.inference.prepare import prepare
from ltr.models.backbone.efficientnet_lite import _STAGES, EfficientNetLite0, InvertedResidual
from ltr.models.backbone.resnet import resnet18, resnet50
from ltr.models.layers.blocks import LinearBlock, conv_block
from ltr.models.layers.normalization import InstanceL2Norm
from ltr.models.target_classifier.features import residual_basic_block, residual_bottleneck
from ltr.models.tracking.dimpnet import DiMPnet, dimpnet18, dimpnet50, dimpnet_lite0, klcedimpnet18
from ltr.models.tracking.mdnet import RoIFeatureNet, mdnet, mdnet_lite0
from tests.ltr.models.networks import random_statistics

FORMS = ("plain", "fast")
LAYERS = ("conv1", "layer1", "layer2", "layer3", "layer4", "fc")
BOXES = torch.tensor([[60.0, 70, 50, 40]])


def form_of(network: Any, form: str) -> Any:
    """The network as it is trained, and as it tracks on a CPU."""
    return network if form == "plain" else prepare(network)


def downsample(channels: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(tv.conv1x1(channels, out, stride), nn.BatchNorm2d(out))


def inverted_residuals() -> dict[str, tuple[Callable[[], nn.Module], int]]:
    """First and second block of every stage of EfficientNet-Lite0, with the channels of their input."""
    blocks: dict[str, tuple[Callable[[], nn.Module], int]] = {}
    channels = 32
    for i, stage in enumerate(_STAGES):
        for place, stride in (("first", stage.stride), ("second", 1)):
            settings = (channels, stage.channels, stage.kernel_size, stride, stage.expansion)
            blocks[f"InvertedResidual {i} {place}"] = (lambda settings=settings: InvertedResidual(*settings), channels)
            channels = stage.channels
    return blocks


# By name: how the block is made, and the channels of its input.
BLOCKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "BasicBlock 64": (lambda: tv.BasicBlock(64, 64), 64),
    "BasicBlock 128": (lambda: tv.BasicBlock(128, 128), 128),
    "BasicBlock 128 strided": (lambda: tv.BasicBlock(64, 128, 2, downsample(64, 128, 2)), 64),
    "Bottleneck 64": (lambda: tv.Bottleneck(256, 64), 256),
    "Bottleneck 128": (lambda: tv.Bottleneck(512, 128), 512),
    "Bottleneck wider": (lambda: tv.Bottleneck(64, 64, 1, downsample(64, 256, 1)), 64),
    "Bottleneck strided": (lambda: tv.Bottleneck(256, 128, 2, downsample(256, 512, 2)), 256),
    **inverted_residuals(),
    "conv_block": (lambda: conv_block(16, 24), 16),
    "conv_block 128": (lambda: conv_block(128, 128), 128),
    "conv_block 1x1": (lambda: conv_block(16, 24, 1, 0), 16),
    "LinearBlock": (lambda: LinearBlock(16, 24, 12), 16),
    "InstanceL2Norm": (InstanceL2Norm, 16),
    **{
        f"features of {name}, {blocks} blocks": (
            lambda make=make, blocks=blocks, final=final: make(
                256 // (1 if make is residual_basic_block else 4), blocks, final_conv=final
            ),
            256,
        )
        for make, name in ((residual_basic_block, "DiMP-18"), (residual_bottleneck, "DiMP-50"))
        for blocks, final in ((0, True), (1, True), (2, True), (1, False), (0, False))
    },
}


@torch.no_grad()
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["NCHW", "NHWC"])
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(name: str, memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    make, channels = BLOCKS[name]
    block = random_statistics(make())
    x = torch.randn(2, channels, 12, 12).to(memory_format=memory_format)
    given, expected = x.clone(), block.double()(x.double())
    block.float()
    made_forms: dict[str, Any] = {"plain": block, "folded": fold_batch_norms(block)}
    if not any(isinstance(module, LinearBlock | InstanceL2Norm) for module in block.modules()):
        made_forms["compiled"] = CompiledModule(copy.deepcopy(made_forms["folded"]))
    for form, made in made_forms.items():
        for _ in range(2):
            found = made(x)
            assert torch.equal(x, given), f"{form}: the input was written over"
            # float32's rounding of sums of up to some thousand products, relative to the size of the values
            torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4 * float(expected.std()))


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", [resnet18, resnet50, EfficientNetLite0])
def test_backbones(make: Callable[[], nn.Module], form: str) -> None:
    """Maps asked for together are those asked for alone: no layer writes over the output of the one before."""
    torch.manual_seed(0)
    network = form_of(random_statistics(make()), form)
    image = torch.randn(1, 3, 64, 64)
    given = image.clone()
    together = network(image, LAYERS)
    for name in LAYERS:
        torch.testing.assert_close(together[name], network(image, (name,))[name], rtol=0, atol=0)
    assert torch.equal(image, given)


class Watched:
    """Tensors that must keep their values."""

    def __init__(self) -> None:
        self.tensors: dict[str, tuple[Tensor, Tensor]] = {}

    def add(self, **tensors: Tensor) -> None:
        self.tensors |= {name: (tensor, tensor.clone()) for name, tensor in tensors.items()}

    def check(self, by: str) -> None:
        changed = [name for name, (tensor, given) in self.tensors.items() if not torch.equal(tensor, given)]
        assert not changed, f"{by} wrote over {', '.join(changed)}"


LITE_HEADS = {"backbone_pretrained": False, "filter_init": "linear", "bb_regressor": True}

DIMP_NETWORKS: dict[str, Callable[[], DiMPnet]] = {
    "dimpnet18": dimpnet18,
    "dimpnet18 without blocks": lambda: dimpnet18(clf_feat_blocks=0),
    "dimpnet18, two blocks alone": lambda: dimpnet18(clf_feat_blocks=2, final_conv=False),
    "dimpnet18, backbone's own features": lambda: dimpnet18(clf_feat_blocks=0, final_conv=False, clf_feat_norm=False),
    "dimpnet50": dimpnet50,
    "dimpnet50, one block": lambda: dimpnet50(clf_feat_blocks=1),
    "klcedimpnet18": klcedimpnet18,
    "dimpnet_lite0": lambda: dimpnet_lite0(backbone_pretrained=False),
    "dimpnet_lite0 with heads": lambda: dimpnet_lite0(**LITE_HEADS),
    "dimpnet_lite0 with heads and a block": lambda: dimpnet_lite0(**LITE_HEADS, clf_feat_blocks=1, final_conv=True),
}


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DIMP_NETWORKS)
def test_dimp_networks(name: str, form: str) -> None:
    torch.manual_seed(0)
    net = form_of(random_statistics(DIMP_NETWORKS[name]()), form)
    watched = Watched()
    image = torch.randn(1, 3, 160, 160)
    watched.add(image=image)
    shapes = {key: value.shape for key, value in net.extract_backbone_features(image, ("layer2", "layer3")).items()}
    watched.check("the backbone")

    # Both signs: a ReLU in place would not show on a map that has passed one.
    maps = {key: torch.randn(shape) for key, shape in shapes.items()}
    watched.add(**maps, boxes=BOXES)
    feat = net.extract_classification_feat(maps)
    watched.check("the features of the classifier")
    watched.add(feat=feat)
    weights = net.classifier.filter_initializer(feat, BOXES)
    watched.check("the initializer")
    watched.add(weights=weights)
    net.classifier.filter_optimizer(weights, feat=feat, bb=BOXES, num_iter=2)
    watched.check("the optimizer")
    net.classifier.classify(weights, feat)
    watched.check("the scores")
    if net.bb_regressor is not None:
        box_regressor(net, watched, maps)


def box_regressor(net: Any, watched: Watched, maps: dict[str, Tensor]) -> None:
    regressor, layers = net.bb_regressor, net.get_backbone_bbreg_feat(maps)
    modulation = regressor.get_modulation(layers, BOXES)
    watched.check("the reference branch")
    iou_feat = regressor.get_iou_feat(layers)
    watched.check("the test branch")
    proposals = BOXES[:, None] + torch.tensor([[0.0, 0, 0, 0], [3, -2, 5, 4]])
    watched.add(m3=modulation[0], m4=modulation[1], f3=iou_feat[0], f4=iou_feat[1], proposals=proposals)
    regressor.predict_iou(modulation, iou_feat, proposals)
    watched.check("the predicted IoU")
    regressor.adapt(modulation, iou_feat, proposals, torch.tensor([1.0, 0.5]), 0.1)
    watched.check("the adaptation")
    predict = regressor.iou_in(modulation, layers)
    for _ in range(2):
        predict(proposals)
        watched.check("the IoU around the boxes")


MDNET_NETWORKS: dict[str, Callable[[], RoIFeatureNet]] = {
    "mdnet": mdnet,
    "mdnet_lite0": lambda: mdnet_lite0(backbone_pretrained=False),
    "mdnet_lite0, trained head": lambda: mdnet_lite0(backbone_pretrained=False, num_branches=2),
}


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MDNET_NETWORKS)
def test_mdnet_networks(name: str, form: str) -> None:
    torch.manual_seed(0)
    net = form_of(random_statistics(MDNET_NETWORKS[name]()), form)
    scenes, rois = torch.randn(1, 3, 112, 112), torch.tensor([[0.0, 10, 10, 100, 90], [0, 20, 5, 80, 70]])
    watched = Watched()
    watched.add(scenes=scenes, rois=rois)
    features = net.extract_roi_features(scenes, rois)
    watched.check("the features")
    watched.add(features=features)
    net.make_head(torch.Generator().manual_seed(0)).eval()(features)
    watched.check("the head")
