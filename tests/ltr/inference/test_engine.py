"""Modules compiled by OpenVINO: the same numbers for every size, nothing sent, a cache that can do no harm."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from ltr.inference.engine import CompiledBackbone, CompiledModule, cache_folder, engine_available
from ltr.models.backbone.efficientnet_lite import EfficientNetLite0
from tests.ltr.models.networks import random_statistics

pytestmark = pytest.mark.skipif(not engine_available(), reason="OpenVINO has no wheel for this platform")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTRACKING_CACHE_PATH", str(tmp_path / "cache"))
    return cache_folder()


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1)).requires_grad_(False)


@torch.no_grad()
@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (2, 3, 33, 70), (1, 3, 9, 128)])
def test_sizes_and_batches_may_change(cache: Path, shape: tuple[int, ...]) -> None:
    module = layers()
    compiled = CompiledModule(module)
    for _ in range(2):
        x = torch.randn(shape).to(memory_format=torch.channels_last)
        # Sums of at most 27 products in float32, in another order.
        torch.testing.assert_close(compiled(x), module(x), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_what_a_call_gives_outlives_the_next_one(cache: Path) -> None:
    compiled = CompiledModule(layers())
    first = compiled(torch.ones(1, 3, 16, 16))
    kept = first.clone()
    compiled(torch.zeros(1, 3, 16, 16))
    assert torch.equal(first, kept)


@torch.no_grad()
def test_layers_of_a_backbone_by_name(cache: Path) -> None:
    backbone = random_statistics(EfficientNetLite0()).mirror_()  # type: ignore[operator]
    compiled = CompiledBackbone(backbone)
    image = torch.randn(1, 3, 70, 50)
    for names in (("layer2", "layer3"), ("layer3",)):
        expected, found = backbone(image, names), compiled(image, names)
        assert list(found) == list(names)
        for name in names:
            torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-4 * float(expected[name].std()))
    with pytest.raises(ValueError, match="Expected output layers among conv1"):
        compiled(image, ("layer9",))


@torch.no_grad()
def test_the_cache_serves_equal_modules_alone(cache: Path) -> None:
    x = torch.randn(1, 3, 16, 16)
    expected = CompiledModule(layers())(x)
    assert len(list(cache.glob("*.xml"))) == len(list(cache.iterdir())) // 2 == 1
    assert torch.equal(CompiledModule(layers())(x), expected)
    assert len(list(cache.glob("*.xml"))) == 1
    other = layers()
    other[2].bias += 1
    torch.testing.assert_close(CompiledModule(other)(x), expected + 1)
    assert len(list(cache.glob("*.xml"))) == 2


@torch.no_grad()
def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PYTRACKING_CACHE_PATH", str(tmp_path / "file" / "cache"))
    assert CompiledModule(layers())(torch.zeros(1, 3, 8, 8)).shape == (1, 5, 4, 4)


WATCHED = """
import sys, pathlib
import torch
heard = []
def listen(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__",) or event.startswith("urllib"):
        heard.append((event, arguments))
    if event == "subprocess.Popen":
        heard.append((event, arguments))
sys.addaudithook(listen)
from ltr.inference.engine import CompiledModule
CompiledModule(torch.nn.Conv2d(3, 4, 3).requires_grad_(False))(torch.zeros(1, 3, 8, 8))
import openvino.tools.ovc.telemetry_utils as used
print(used.tm.__name__, heard, "openvino_telemetry.main" in sys.modules)
"""


def test_nothing_is_sent_anywhere(tmp_path: Path) -> None:
    environment = {"PYTRACKING_CACHE_PATH": str(tmp_path / "cache"), "HOME": str(tmp_path / "home"), "PATH": ""}
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], env=environment, cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[-2] == "openvino.tools.ovc.telemetry_stub [] False"
    assert not (tmp_path / "home").exists()  # no identity of the user is stored
