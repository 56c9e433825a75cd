from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision

from ltr.common.errors import InputError
from ltr.inference import prepare
from ltr.models.backbone.resnet import ResNet, resnet18, resnet50
from tests.ltr.models.networks import random_statistics

LAYERS = ("conv1", "layer1", "layer2", "layer3", "layer4", "fc")


@pytest.fixture(scope="module")
def network() -> ResNet:
    torch.manual_seed(0)
    network = resnet18()
    random_statistics(network)
    return network


@pytest.mark.parametrize(("ours", "theirs"), [(resnet18, "resnet18"), (resnet50, "resnet50")])
def test_class_scores_and_keys_are_torchvisions(ours: type, theirs: str) -> None:
    reference = torchvision.models.get_model(theirs, weights=None).eval()
    network = ours().eval()
    network.load_state_dict(reference.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(x)["fc"], reference(x))


def test_shapes_and_order_of_named_layers(network: ResNet) -> None:
    with torch.no_grad():
        features = network(torch.randn(2, 3, 64, 96), LAYERS[::-1])
    assert tuple(features) == LAYERS[::-1]
    strides = {"conv1": (64, 2), "layer1": (64, 4), "layer2": (128, 8), "layer3": (256, 16), "layer4": (512, 32)}
    for name, (channels, stride) in strides.items():
        assert features[name].shape == (2, channels, 64 // stride, 96 // stride)


def test_stops_after_the_deepest_layer(network: ResNet) -> None:
    ran = []
    handles = [
        network.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name)) for name in LAYERS
    ]
    with torch.no_grad():
        assert tuple(network(torch.randn(1, 3, 64, 64), ("layer2",))) == ("layer2",)
    for handle in handles:
        handle.remove()
    assert ran == ["conv1", "layer1", "layer2"]


def test_inference_copy_computes_the_same(network: ResNet) -> None:
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected, folded = network(x, LAYERS), prepare(network)(x, LAYERS)
    for name in LAYERS:
        # rounding of some dozens of float32 layers, relative to the size of the values
        torch.testing.assert_close(folded[name], expected[name], rtol=0, atol=1e-4 * float(expected[name].std()))


def test_frozen_layers_stay_as_they_are_in_training() -> None:
    network = resnet18()
    network.freeze(("conv1", "bn1", "layer1"))
    network.train()
    mean = network.get_buffer("layer1.0.bn1.running_mean").clone()
    network(torch.randn(2, 3, 64, 64))["fc"].sum().backward()
    assert torch.equal(network.get_buffer("layer1.0.bn1.running_mean"), mean)
    assert network.get_parameter("layer1.0.conv1.weight").grad is None
    assert network.get_parameter("layer2.0.conv1.weight").grad is not None
    assert network.get_submodule("layer2.0.bn1").training


@pytest.mark.parametrize("layers", [("layer5",), ()])
def test_unknown_layer_is_named(network: ResNet, layers: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="Expected output layers among conv1, layer1"):
        network(torch.randn(1, 3, 64, 64), layers)


def test_weights_that_cannot_be_fetched_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(
        InputError, match=r"ImageNet weights .*resnet18-\w+\.pth.*no route to host.*backbone_pretrained"
    ):
        resnet18(pretrained=True)
