import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.models.backbone.efficientnet_lite import EfficientNetLite0, SameConv2d
from ltr.models.backbone.resnet import resnet18, resnet50
from ltr.models.layers.blocks import conv_block
from ltr.models.layers.fused_convolution import FusedConv2d, fuse_convolutions, fusion_available
from tests.ltr.models.networks import random_statistics

pytestmark = pytest.mark.skipif(not fusion_available(), reason="this build of PyTorch has no fused convolutions")


def assert_same(found: Tensor, expected: Tensor) -> None:
    # the rounding of some dozens of float32 layers, relative to the size of the values
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.std()))


@torch.no_grad()
@pytest.mark.parametrize("activation", [nn.Identity, nn.ReLU, nn.ReLU6])
@pytest.mark.parametrize(("channels", "kernel", "groups"), [(8, 3, 8), (8, 1, 1), (128, 3, 1)])
def test_convolution_sum_and_activation(activation: type[nn.Module], channels: int, kernel: int, groups: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=groups)
    x, skip = torch.randn(2, channels, 9, 7), 5 * torch.randn(2, channels, 9, 7)
    fused = FusedConv2d(conv, activation)
    assert fused.suits_winograd == (channels == 128)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        laid_out, added = x.to(memory_format=memory_format), skip.to(memory_format=memory_format)
        # Winograd's transforms multiply the rounding of a sum of a thousand products of this size by a few units.
        near = {"rtol": 1e-5, "atol": 2e-5}
        torch.testing.assert_close(fused(laid_out), activation()(conv(x)), **near)
        torch.testing.assert_close(fused(laid_out, added), activation()(conv(x) + skip), **near)


@torch.no_grad()
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_projection_as_a_product(memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(96, 24, 1)
    fused = FusedConv2d(conv)
    assert fused.columns is not None
    x = torch.randn(2, 96, 9, 7).to(memory_format=memory_format)
    found = fused(x)
    torch.testing.assert_close(found, conv(x), rtol=1e-5, atol=1e-5)  # sums of a hundred products
    assert found.is_contiguous(memory_format=torch.channels_last)
    skip = torch.randn(2, 24, 9, 7)
    torch.testing.assert_close(fused(x, skip), conv(x) + skip, rtol=1e-5, atol=1e-5)
    without_bias = nn.Conv2d(96, 24, 1, bias=False)
    fused = FusedConv2d(without_bias)
    torch.testing.assert_close(fused(x), without_bias(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fused(x, skip), without_bias(x) + skip, rtol=1e-5, atol=1e-5)
    for other in (nn.Conv2d(192, 192, 1), nn.Conv2d(96, 24, 1, stride=2)):
        assert FusedConv2d(other).columns is None


@torch.no_grad()
@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6])
def test_expansion_as_a_product_of_small_maps(activation: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(24, 96, 1)
    fused, products = FusedConv2d(conv, activation), []
    product = fused._product
    monkeypatch.setattr(fused, "_product", lambda x, *rest: products.append(len(x[0, 0])) or product(x, *rest))
    for size in (18, 80, 9):
        x, skip = 3 * torch.randn(1, 24, size, size), torch.randn(1, 96, size, size)
        torch.testing.assert_close(fused(x), activation()(conv(x)), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(fused(x, skip), activation()(conv(x) + skip), rtol=1e-5, atol=1e-5)
    assert products == [18, 18, 9, 9]


@torch.no_grad()
def test_kernels_of_a_few_tile_sizes_serve_all_maps() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(128, 128, 3, padding=1)
    fused, again = FusedConv2d(conv), FusedConv2d(conv, winograd=False)
    for size in (36, 18, 14, 20, 16, 13):
        x = torch.randn(1, 128, size, size)
        torch.testing.assert_close(fused(x), conv(x), rtol=1e-5, atol=2e-5)
        torch.testing.assert_close(again(x), conv(x), rtol=1e-5, atol=2e-5)
    assert len(fused.transformed) == 2
    assert not again.transformed


@torch.no_grad()
@pytest.mark.parametrize("first", [9, 36])
def test_strided_convolution_on_maps_of_several_sizes(first: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(32, 64, 1, stride=2)
    fused = FusedConv2d(conv)
    for size in (first, 36, 10):
        x = torch.randn(2, 32, size, size).to(memory_format=torch.channels_last)
        torch.testing.assert_close(fused(x), conv(x), rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("make", [EfficientNetLite0, resnet18, resnet50])
@pytest.mark.parametrize("as_child", [False, True])
def test_whole_backbones(make: type, as_child: bool) -> None:
    """Alone, and as part of a network, where one may know more than its convolutions do."""
    torch.manual_seed(0)
    network = random_statistics(make())
    names = ("conv1", "layer1", "layer2", "layer3", "layer4", "fc")
    x = torch.randn(1, 3, 96, 64)
    fast = network.for_inference()  # type: ignore[operator]
    fast = fuse_convolutions(nn.Sequential(fast))[0] if as_child else fuse_convolutions(fast)
    if as_child and isinstance(fast, EfficientNetLite0):
        assert all(block.project.bias is None for block in fast._blocks)
        assert set(fast.lacking) == {"layer1", "layer2", "layer3", "layer4"}
    assert not any(isinstance(module, nn.Conv2d | nn.ReLU | nn.ReLU6) for module in fast.modules())
    expected, found = network(x, names), fast(x, names)
    for name in names:
        assert_same(found[name], expected[name])
    again = copy.deepcopy(fast)(x, names)
    assert all(torch.equal(again[name], found[name]) for name in names), "an output was written over"


def test_only_what_belongs_together_is_fused() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sigmoid(), nn.ReLU(), SameConv2d(4, 4, 3, stride=2)).eval()
    fused = fuse_convolutions(copy.deepcopy(network))
    assert [type(module) for module in fused] == [FusedConv2d, nn.Sigmoid, nn.ReLU, SameConv2d]
    block = fuse_convolutions(nn.Sequential(*[nn.Conv2d(3, 4, 1), nn.Identity(), nn.ReLU()]))
    assert [type(module) for module in block] == [FusedConv2d, nn.Identity, nn.Identity]
    training = conv_block(3, 4).eval()
    assert isinstance(fuse_convolutions(training)[1], nn.BatchNorm2d)
    x = torch.randn(1, 3, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(block(x), F.relu(F.conv2d(x, block[0].weight, block[0].bias)))
