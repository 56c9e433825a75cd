from pathlib import Path

import pytest
import torch

from ltr.admin.checkpoint import CheckpointError, read_checkpoint, save_checkpoint
from ltr.admin.convert_checkpoint import convert_checkpoint
from ltr.admin.export_heads import export_heads, main
from ltr.admin.loading import load_network
from ltr.common.errors import InputError
from ltr.models.tracking.dimpnet import DiMPnet, dimpnet_lite0
from ltr.weights import FOLDER

SMALL = {"bb_regressor": True, "iou_input_dim": [8, 8], "iou_inter_dim": [8, 8], "iou_hidden_dim": 8}


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, DiMPnet]:
    torch.manual_seed(0)
    net = dimpnet_lite0(**SMALL)
    return save_checkpoint(tmp_path / "net_ep0001.safetensors", net, "dimpnet_lite0", SMALL, info={"epoch": 1}), net


def test_network_comes_back_whole_from_its_heads(trained: tuple[Path, DiMPnet], tmp_path: Path) -> None:
    source, net = trained
    heads = export_heads(source, tmp_path / "heads.safetensors")
    assert not any(key.startswith("feature_extractor.") for key in read_checkpoint(heads).state_dict)
    loaded, content = load_network(heads)
    assert content["epoch"] == 1
    for key, tensor in net.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor)


def test_the_source_is_not_replaced(trained: tuple[Path, DiMPnet], tmp_path: Path) -> None:
    source, _ = trained
    content = source.read_bytes()
    (tmp_path / "link.safetensors").symlink_to(source)
    for target in (source, tmp_path / "link.safetensors"):
        with pytest.raises(InputError, match="would replace"):
            export_heads(source, target, overwrite=True)
        with pytest.raises(InputError, match="would replace"):
            convert_checkpoint(source, target, overwrite=True)
    assert source.read_bytes() == content


def test_a_trained_backbone_is_not_left_out(trained: tuple[Path, DiMPnet], tmp_path: Path) -> None:
    _, net = trained
    with torch.no_grad():
        next(net.feature_extractor.parameters()).add_(1e-3)
    source = save_checkpoint(tmp_path / "other.safetensors", net, "dimpnet_lite0", SMALL)
    with pytest.raises(CheckpointError, match="its backbone was trained"):
        export_heads(source, tmp_path / "heads.safetensors")
    assert main([str(source), str(tmp_path / "heads.safetensors")]) == 1


def test_heads_of_other_backbone_weights_are_refused(trained: tuple[Path, DiMPnet], tmp_path: Path) -> None:
    heads = read_checkpoint(export_heads(trained[0], tmp_path / "heads.safetensors"))
    info = {**heads.info, "backbone_sha256": "0" * 64}
    other = save_checkpoint(tmp_path / "x.safetensors", heads.state_dict, heads.architecture, heads.kwargs, info=info)
    with pytest.raises(CheckpointError, match="other backbone weights"):
        load_network(other)


def test_packaged_heads_load_and_are_small() -> None:
    path = FOLDER / "dimp_lite0.safetensors"
    net, _ = load_network(path)
    assert isinstance(net, DiMPnet)
    assert net.bb_regressor is not None
    assert all(bool(tensor.isfinite().all()) for tensor in net.state_dict().values())
    assert path.stat().st_size < 10e6
