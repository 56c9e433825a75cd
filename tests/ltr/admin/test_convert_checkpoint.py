"""The command that turns training files into safetensors."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from ltr.admin.checkpoint import read_checkpoint
from ltr.admin.convert_checkpoint import convert_checkpoint, main
from tests.ltr.admin.training_files import Tiny, write_training_file


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return Tiny(4, 1.0, None, 1.0).state_dict()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_conversion_keeps_the_network(tmp_path: Path, weights: dict[str, torch.Tensor], zipped: bool) -> None:
    kwds = {"width": 4, "layers": None, "detach_length": float("inf")}
    source = write_training_file(tmp_path / "DiMPnet_ep0050.pth.tar", weights, "tiny", kwds, zipped=zipped)
    convert_checkpoint(source)
    target = tmp_path / "DiMPnet_ep0050.safetensors"
    checkpoint = read_checkpoint(target)
    assert checkpoint.state_dict.keys() == weights.keys()
    for key, tensor in weights.items():
        assert checkpoint.state_dict[key].dtype == tensor.dtype
        assert torch.equal(checkpoint.state_dict[key], tensor)
    assert (checkpoint.architecture, checkpoint.kwargs) == ("tiny", kwds)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert checkpoint.info == {
        "epoch": 50,
        "actor_type": "DiMPActor",
        "net_type": "DiMPnet",
        "source_file": source.name,
        "source_sha256": digest,
    }
    with safe_open(target, framework="pt") as file:
        assert file.metadata()["source_sha256"] == digest


def test_command(tmp_path: Path, weights: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]) -> None:
    source = write_training_file(tmp_path / "dimp.pth", weights)
    target = str(tmp_path / "out.safetensors")
    assert main([str(source), target]) == 0
    printed = capsys.readouterr().out
    assert "7 tensors, 33 numbers" in printed  # 4x3 + 4 of the linear layer, 4 x 4 + 1 of the normalization
    assert "architecture: tiny" in printed
    assert main([str(source), target]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([str(source), target, "--overwrite"]) == 0


def test_weights_alone_take_the_architecture_given(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    torch.save(weights, tmp_path / "bare.pth")
    assert main([str(tmp_path / "bare.pth")]) == 0
    assert read_checkpoint(tmp_path / "bare.safetensors").architecture is None
    assert main([str(tmp_path / "bare.pth"), "--architecture", "tiny", "--overwrite"]) == 0
    assert read_checkpoint(tmp_path / "bare.safetensors").architecture == "tiny"


def test_failures_are_one_line_and_status_1(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ltr.admin.convert_checkpoint", str(tmp_path / "dimp50.pth")]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: network file")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_targets_are_safetensors(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    source = write_training_file(tmp_path / "dimp.pth", weights)
    with pytest.raises(ValueError, match=r"\.safetensors"):
        convert_checkpoint(source, tmp_path / "out.pth")
