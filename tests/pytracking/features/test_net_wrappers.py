import importlib
import os
from pathlib import Path

import pytest
import torch

from ltr.admin.checkpoint import CheckpointError, save_checkpoint
from ltr.admin.loading import build_network
from ltr.models.tracking.dimpnet import dimpnet18
from pytracking.features.net_wrappers import NetWithBackbone, NetWrapper
from pytracking.utils.loading import load_network


def test_nothing_is_read_before_initialize() -> None:
    net = NetWithBackbone(net_path="no_such_file.pth")
    assert net.describe()["net_path"] == "no_such_file.pth"
    with pytest.raises(AttributeError, match="initialize"):
        _ = net.classifier


def test_missing_file_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTRACKING_NETWORK_PATH", str(tmp_path))
    with pytest.raises(CheckpointError, match=str(tmp_path / "dimp50.pth")):
        NetWithBackbone(net_path="dimp50.pth").initialize("cpu")


def test_either_file_or_architecture() -> None:
    with pytest.raises(ValueError, match="either"):
        NetWithBackbone()
    with pytest.raises(ValueError, match="either"):
        NetWithBackbone(net_path="a.pth", architecture="dimpnet_lite0")
    with pytest.raises(ValueError, match="bgr"):
        NetWithBackbone(net_path="a.pth", image_format="bgr")


def test_images_are_normalized_per_channel() -> None:
    net = NetWithBackbone(architecture="dimpnet_lite0")
    net.initialize("cpu")
    image = torch.tensor([0.0, 127.0, 255.0]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(net.preprocess_image(image).flatten(), torch.tensor([-127 / 128, 0.0, 1.0]))
    other = NetWithBackbone(architecture="dimpnet_lite0", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    other.initialize("cpu")
    torch.testing.assert_close(other.preprocess_image(image).flatten()[0], torch.tensor(-2.0))


def test_one_copy_of_a_network_per_process() -> None:
    first, second = (NetWithBackbone(architecture="dimpnet_lite0") for _ in range(2))
    first.initialize("cpu")
    second.initialize("cpu")
    assert first.net is second.net
    assert not first.net.training
    assert not any(parameter.requires_grad for parameter in first.net.parameters())


def test_network_of_a_checkpoint_in_the_second_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    plain = dimpnet18().eval()
    (tmp_path / "b").mkdir()
    save_checkpoint(tmp_path / "b" / "small.safetensors", plain, "dimpnet18")
    monkeypatch.setenv("PYTRACKING_NETWORK_PATH", os.pathsep.join((f"{tmp_path}/a", f"{tmp_path}/b")))
    net = NetWithBackbone(net_path="small.pth")
    net.initialize("cpu")
    image = 255 * torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        found = net.extract_classification_feat(net.extract_backbone(image))
        expected = plain.extract_classification_feat(plain.extract_backbone_features(net.preprocess_image(image)))
    # batch norms are folded into the convolutions: the same up to float32 rounding over 18 layers
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.std()))


@pytest.mark.parametrize(
    ("name", "constructor", "file"),
    [
        ("dimp18", "dimpnet18", "dimp18.pth"),
        ("rls_dimp50_short", "dimpnet50", "dimp50.pth"),
        ("rls_dimp50_got10k", "dimpnet50", "dimp50_got10k.pth.tar"),
    ],
)
def test_parameter_files_know_the_network_of_weights_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, constructor: str, file: str
) -> None:
    torch.manual_seed(0)
    network = build_network(constructor).eval()
    torch.save(network.state_dict(), tmp_path / file)
    monkeypatch.setenv("PYTRACKING_NETWORK_PATH", str(tmp_path))
    net = importlib.import_module(f"pytracking.parameter.dimp.{name}").parameters().net
    net.initialize("cpu")
    feat = torch.randn(1, 1024 if constructor == "dimpnet50" else 256, 6, 6)
    with torch.no_grad():
        found, expected = (n.extract_classification_feat({"layer3": feat}) for n in (net, network))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.std()))
    unnamed = NetWithBackbone(net_path=file)
    with pytest.raises(CheckpointError, match=rf"net_path='{file}', constructor='dimpnet50'"):
        unnamed.initialize("cpu")
    assert unnamed.describe() == net.describe()  # results that exist stay valid


def test_wrapper_of_a_network_as_it_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    plain = dimpnet18()
    save_checkpoint(tmp_path / "small.safetensors", plain, "dimpnet18")
    monkeypatch.setenv("PYTRACKING_NETWORK_PATH", str(tmp_path))
    for path in ("small.safetensors", str(tmp_path / "small.safetensors")):
        loaded = load_network(path)
        assert loaded.training
        for name, value in plain.state_dict().items():
            torch.testing.assert_close(loaded.state_dict()[name], value, rtol=0, atol=0)
    net = NetWrapper("small.safetensors", use_gpu=False)
    assert net.describe() == {"net_path": "small.safetensors"}
    assert len(net.file_hash() or "") == 64
    with pytest.raises(AttributeError, match=r"initialize\(\), which was not called"):
        _ = net.classifier
    net.initialize()
    assert not net.net.training
    assert net.classifier is net.net.classifier
    assert NetWrapper("small.safetensors", use_gpu=False, initialize=True).net is not net.net
    with pytest.raises(CheckpointError, match=r"missing\.pth"):
        NetWrapper("missing.pth").initialize()


def test_initialize_without_a_device_as_in_pytracking() -> None:
    net = NetWithBackbone(architecture="dimpnet_lite0", use_gpu=False)
    net.initialize()
    assert next(net.net.parameters()).device.type == "cpu"
    net._loaded = ("meta", "float32", "fast")  # another device than that of the images
    assert net.preprocess_image(torch.ones(1, 3, 2, 2)).device.type == "meta"
