"""RT-MDNet's checkpoint and MatConvNet's VGG-M, as files of their formats that are made here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch

from ltr.admin.checkpoint import CheckpointError, read_checkpoint, save_checkpoint
from ltr.admin.loading import load_network
from ltr.models.tracking.mdnet import MDNet, mdnet

SHAPES = {0: (7, 7, 3, 96), 4: (5, 5, 96, 256), 8: (3, 3, 256, 512)}


def rt_mdnet_file(path: Path) -> dict[str, torch.Tensor]:
    shared = mdnet(num_branches=0).layers.state_dict()
    torch.save({"shared_layers": shared, "epoch": 7}, path)
    return shared


def vgg_m_file(path: Path, shapes: dict[int, tuple[int, ...]], fields: tuple[str, ...] = ("weights",)) -> dict:
    """Layers of VGG-M as MatConvNet stores them: structures in a cell array, a convolution every four layers."""
    rng = np.random.default_rng(0)
    kernels = {index: rng.normal(size=shape).astype(np.float32) for index, shape in shapes.items()}
    layers = np.empty((1, 21), object)
    for index in range(21):
        layer: dict[str, Any] = {"name": f"layer{index}", "type": "relu"}
        if index in kernels:
            bias = np.arange(kernels[index].shape[3], dtype=np.float32)[None]
            pair = np.empty((1, 2), object)
            pair[0, 0], pair[0, 1] = kernels[index], bias
            named = {"weights": pair} if len(fields) == 1 else {"filters": kernels[index], "biases": bias}
            layer |= {"type": "conv", "stride": np.array([[2, 2]])} | named
        layers[0, index] = layer
    scipy.io.savemat(path, {"layers": layers, "classes": "unused"})
    return kernels


def test_rt_mdnet_checkpoint_loads_under_its_own_names(tmp_path: Path) -> None:
    shared = rt_mdnet_file(tmp_path / "rt-mdnet.pth")
    net, content = load_network(tmp_path / "rt-mdnet.pth")
    assert isinstance(net, MDNet)
    assert len(net.branches) == 0
    assert content["epoch"] == 7
    torch.testing.assert_close(dict(net.layers.state_dict()), dict(shared), rtol=0, atol=0)


def test_rt_mdnet_checkpoint_converts(tmp_path: Path) -> None:
    shared = rt_mdnet_file(tmp_path / "rt-mdnet.pth")
    read = read_checkpoint(tmp_path / "rt-mdnet.pth")
    save_checkpoint(tmp_path / "converted.safetensors", read.state_dict, read.architecture, read.kwargs)
    net, _ = load_network(tmp_path / "converted.safetensors")
    torch.testing.assert_close(dict(net.layers.state_dict()), dict(shared), rtol=0, atol=0)


def test_head_has_the_trained_layers_and_a_fresh_last_one(tmp_path: Path) -> None:
    shared = rt_mdnet_file(tmp_path / "rt-mdnet.pth")
    net, _ = load_network(tmp_path / "rt-mdnet.pth")
    first, second = (net.make_head(torch.Generator().manual_seed(seed)) for seed in (1, 2))
    for head in (first, second):
        for name in ("fc4.0.weight", "fc4.0.bias", "fc5.1.weight", "fc5.1.bias"):
            assert torch.equal(head.state_dict()[name], shared[name])
    assert not torch.equal(first.fc6[1].weight, second.fc6[1].weight)
    assert first.fc6[1].weight.detach().std() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("fields", [("weights",), ("filters", "biases")], ids=["new", "old"])
def test_vgg_m_gives_the_convolutions(tmp_path: Path, fields: tuple[str, ...]) -> None:
    kernels = vgg_m_file(tmp_path / "imagenet-vgg-m.mat", SHAPES, fields)
    net, _ = load_network(tmp_path / "imagenet-vgg-m.mat")
    assert isinstance(net, MDNet)
    for name, index in (("conv1", 0), ("conv2", 4), ("conv3", 8)):
        weight, bias = net.state_dict()[f"layers.{name}.0.weight"], net.state_dict()[f"layers.{name}.0.bias"]
        assert weight[3, 2, 1, 0] == kernels[index][1, 0, 2, 3]
        np.testing.assert_array_equal(weight.numpy(), kernels[index].transpose(3, 2, 0, 1))
        np.testing.assert_array_equal(bias.numpy(), np.arange(len(bias)))
    head = net.make_head(torch.Generator().manual_seed(0))  # fc4 and fc5 are random, with the scale of their input
    assert head.fc4[0].weight.detach().std() == pytest.approx((2 / 4608) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({**SHAPES, 8: (3, 3, 256, 128)}, r"expected a convolution \(3, 3, 256, 512\) .* position 8, found"),
        ({0: SHAPES[0], 8: SHAPES[8]}, "expected convolutions at the positions 0, 4 and 8"),
    ],
)
def test_other_networks_are_refused(tmp_path: Path, shapes: dict[int, tuple[int, ...]], message: str) -> None:
    vgg_m_file(tmp_path / "other.mat", shapes)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / "other.mat")


def test_damaged_matlab_files_are_refused(tmp_path: Path) -> None:
    vgg_m_file(tmp_path / "imagenet-vgg-m.mat", SHAPES)
    data = (tmp_path / "imagenet-vgg-m.mat").read_bytes()
    (tmp_path / "cut.mat").write_bytes(data[:5000])
    with pytest.raises(CheckpointError, match=r"cut\.mat is damaged or not MatConvNet's VGG-M"):
        read_checkpoint(tmp_path / "cut.mat")


def test_no_code_of_a_file_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"shared_layers": mdnet(num_branches=0).layers.state_dict(), "trap": Trap()}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "x.pth")
    assert not (tmp_path / "sprung").exists()


def test_missing_files_say_where_they_are_published(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="matconvnet"):
        read_checkpoint(tmp_path / "imagenet-vgg-m.mat")
