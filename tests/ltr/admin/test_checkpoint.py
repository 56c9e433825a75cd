"""What is read from network files and what is written."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ltr.admin.checkpoint import PUBLISHED_NETWORKS, CheckpointError, file_sha256, read_checkpoint, save_checkpoint
from tests.ltr.admin.training_files import Tiny, write_training_file


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return Tiny(4, 1.0, None, 1.0).state_dict()


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert found[key].dtype == tensor.dtype
        assert torch.equal(found[key], tensor)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_training_file(tmp_path: Path, weights: dict[str, torch.Tensor], zipped: bool) -> None:
    path = write_training_file(tmp_path / "DiMPnet_ep0050.pth.tar", weights, kwds={"width": 4}, zipped=zipped)
    checkpoint = read_checkpoint(str(path))
    assert_same(checkpoint.state_dict, weights)
    assert (checkpoint.path, checkpoint.architecture, checkpoint.kwargs, checkpoint.args) == (
        path, "tiny", {"width": 4}, (),
    )  # fmt: skip
    assert checkpoint.info["epoch"] == 50
    assert checkpoint.info["settings"]["batch_size"] == 10
    assert checkpoint.as_dict()["constructor"] == {"fun_name": "tiny", "args": (), "kwds": {"width": 4}}
    assert checkpoint.as_dict().keys() >= {"net", "epoch", "stats", "settings", "optimizer"}


@pytest.mark.parametrize("entry", [None, "net", "shared_layers"])
def test_weights_alone(tmp_path: Path, weights: dict[str, torch.Tensor], entry: str | None) -> None:
    torch.save(weights if entry is None else {entry: weights, "epoch": 3}, tmp_path / "x.pth")
    checkpoint = read_checkpoint(tmp_path / "x.pth")
    assert_same(checkpoint.state_dict, weights)
    assert checkpoint.architecture is None
    assert checkpoint.info == ({} if entry is None else {"epoch": 3})
    assert checkpoint.as_dict()["constructor"] is None


def test_parameters_lose_their_gradients(tmp_path: Path) -> None:
    torch.save({"net": {"w": torch.nn.Parameter(torch.ones(2))}}, tmp_path / "x.pth")
    assert not read_checkpoint(tmp_path / "x.pth").state_dict["w"].requires_grad


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "holds one list"),
        (torch.ones(1), "holds one Tensor"),
        ({}, "found nothing"),
        ({"epoch": 1, "weights": {}}, "expected an entry 'net'.*found epoch, weights"),
        ({"net": {"w": 1.0}}, "found 'w': float"),
        ({"net": {3: torch.ones(1)}}, "found 3: Tensor"),
        ({"net": {}, "constructor": "dimpnet50"}, "constructor is malformed"),
        ({"net": {}, "constructor": {"fun_name": 5}}, "constructor is malformed.*found 5"),
        ({"net": {}, "constructor": {"fun_name": "f", "kwds": {1: 2}}}, "constructor is malformed"),
        ({"net": {}, "constructor": {"fun_name": "f", "args": 3}}, "constructor is malformed"),
    ],
)
def test_files_without_a_network(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / "x.pth")


def test_missing_files_say_where_networks_are_published(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"dimp50\.pth does not exist.*1qgachgq.*network_path.*NETWORK_PATH"
    ) as caught:
        read_checkpoint(tmp_path / "dimp50.pth")
    assert PUBLISHED_NETWORKS["dimp18.pth"] not in str(caught.value)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "other.pth")
    assert all(place in str(caught.value) for place in PUBLISHED_NETWORKS.values())
    with pytest.raises(CheckpointError, match="is a folder"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["x.safetensors", "x.pth", "deep/x.pth.tar"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    net = Tiny(4, 1.0, None, 1.0)
    kwargs = {"width": 4, "layers": ["layer3"], "scale": None, "detach_length": float("inf")}
    path = save_checkpoint(tmp_path / name, net, "tiny", kwargs, args=(1,), info={"epoch": 3, "stats": {"loss": [0.5]}})
    checkpoint = read_checkpoint(path)
    assert_same(checkpoint.state_dict, net.state_dict())
    assert (checkpoint.architecture, checkpoint.kwargs, checkpoint.args) == ("tiny", kwargs, (1,))
    assert checkpoint.info == {"epoch": 3, "stats": {"loss": [0.5]}}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_training_state_goes_into_torch_files(tmp_path: Path) -> None:
    net = Tiny(4, 1.0, None, 1.0)
    optimizer = torch.optim.Adam(net.parameters())
    net.feature_extractor(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    info = {"optimizer": optimizer.state_dict(), "epoch": 1}
    loaded = read_checkpoint(save_checkpoint(tmp_path / "x.pth.tar", net, "tiny", info=info)).info
    torch.optim.Adam(net.parameters()).load_state_dict(loaded["optimizer"])
    assert torch.equal(loaded["optimizer"]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
    with pytest.raises(ValueError, match=r"JSON values.*\.pth\.tar"):
        save_checkpoint(tmp_path / "x.safetensors", net, "tiny", info=info)


def test_tied_and_strided_weights_are_written_whole(tmp_path: Path) -> None:
    base = torch.randn(1000, 4)
    weights = {"a": base[:2], "b": base[:2], "c": base[:3].t()}
    for name in ("x.safetensors", "x.pth"):
        path = save_checkpoint(tmp_path / name, weights, None)
        assert_same(read_checkpoint(path).state_dict, weights)
        assert path.stat().st_size < 4000


def test_refusals_to_write_leave_nothing_behind(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match=r"x\.bin.*\.safetensors, \.pth or \.pth\.tar"):
        save_checkpoint(tmp_path / "x.bin", weights, "tiny")
    with pytest.raises(ValueError, match="JSON values"):
        save_checkpoint(tmp_path / "x.safetensors", weights, "tiny", {"path": Path()})
    with pytest.raises(ValueError, match=r"plain values, found objects of pathlib\.PosixPath|WindowsPath"):
        save_checkpoint(tmp_path / "x.pth", weights, "tiny", info={"path": Path()})
    with pytest.raises(ValueError, match=r"\['net'\]"):
        save_checkpoint(tmp_path / "x.pth", weights, "tiny", info={"net": 1})
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_replaced_only_on_request(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    path = save_checkpoint(tmp_path / "x.safetensors", weights, "first")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_checkpoint(path, weights, "second")
    assert read_checkpoint(path).architecture == "first"
    save_checkpoint(path, weights, "second", overwrite=True)
    assert read_checkpoint(path).architecture == "second"
    before = file_sha256(path)
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(path, weights, "third", {"x": object()}, overwrite=True)
    assert file_sha256(path) == before


def test_safetensors_of_others_hold_weights_alone(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file(weights, tmp_path / "x.safetensors")
    checkpoint = read_checkpoint(tmp_path / "x.safetensors")
    assert (checkpoint.architecture, checkpoint.kwargs, checkpoint.info) == (None, {}, {})
    assert checkpoint.state_dict.keys() == weights.keys()


def test_safetensors_metadata_is_readable_by_others(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    path = save_checkpoint(tmp_path / "x.safetensors", weights, "tiny", {"width": 4}, info={"epoch": 2})
    header_length = int.from_bytes(path.read_bytes()[:8], "little")
    metadata = json.loads(path.read_bytes()[8 : 8 + header_length])["__metadata__"]
    assert metadata == {
        "format": "pt", "architecture": "tiny", "kwargs": '{"width": 4}', "args": "[]", "info": '{"epoch": 2}',
    }  # fmt: skip
    assert load_file(path).keys() == weights.keys()


@pytest.mark.parametrize(
    "metadata",
    [
        {"architecture": "tiny", "kwargs": "not json"},
        {"architecture": "tiny", "kwargs": "[1]"},
        {"architecture": "tiny", "args": "5"},
        {"architecture": "tiny", "info": "5", "source_file": "x"},
        {"info": "[" * 100_000},
    ],
)
def test_bad_safetensors_metadata(tmp_path: Path, weights: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    save_file(weights, tmp_path / "x.safetensors", metadata)
    with pytest.raises(CheckpointError, match=r"x\.safetensors.*(damaged|malformed)"):
        read_checkpoint(tmp_path / "x.safetensors")


@pytest.mark.parametrize("kept", [9, 100, 300, -1])
def test_truncated_safetensors(tmp_path: Path, weights: dict[str, torch.Tensor], kept: int) -> None:
    path = save_checkpoint(tmp_path / "x.safetensors", weights, "tiny")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="damaged or no safetensors file; download or convert it again"):
        read_checkpoint(path)


def test_the_content_decides_not_the_suffix(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    safetensors = save_checkpoint(tmp_path / "x.safetensors", weights, "tiny").rename(tmp_path / "y.pth")
    pickled = save_checkpoint(tmp_path / "x.pth", weights, "tiny").rename(tmp_path / "x.safetensors")
    for path in (safetensors, pickled):
        assert read_checkpoint(path).state_dict.keys() == weights.keys()
