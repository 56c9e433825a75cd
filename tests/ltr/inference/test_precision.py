import contextlib
from collections.abc import Iterator

import pytest
import torch

from ltr.common.errors import InputError
from ltr.inference.precision import compute_in, computes_in
from ltr.inference.prepare import prepare
from ltr.models.tracking.dimpnet import dimpnet_lite0
from tests.ltr.models.networks import random_statistics


@torch.no_grad()
@pytest.mark.skipif(not computes_in("bfloat16", "cpu"), reason="the processor has no bfloat16 instructions")
def test_half_precision_inside_float32_outside() -> None:
    torch.manual_seed(0)
    network = random_statistics(dimpnet_lite0(backbone_pretrained=False, bb_regressor=True))
    low = prepare(network, dtype="bfloat16")
    x = torch.randn(1, 3, 96, 96)
    expected, found = network.extract_backbone_features(x), low.extract_backbone_features(x)  # type: ignore[operator]
    for name, layer in expected.items():
        assert found[name].dtype == torch.float32
        difference = float((found[name] - layer).std() / layer.std())
        assert 1e-4 < difference < 0.05  # 8 bits a number, some dozens of layers
    classified = low.extract_classification_feat(found)
    regressed = low.bb_regressor.get_iou_feat(low.get_backbone_bbreg_feat(found))
    assert {tensor.dtype for tensor in (classified, *regressed)} == {torch.float32}


def test_what_a_gpu_emulates_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its compute capability: torch says that bfloat16 works from 5.0 on, and has it from 8.0 on."""
    asked = []

    @contextlib.contextmanager
    def current(device: str) -> Iterator[None]:
        asked.append(device)
        yield

    def is_supported(including_emulation: bool = True) -> bool:
        return including_emulation or capability >= (8, 0)

    monkeypatch.setattr(torch.cuda, "device", current)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    for capability, has in (((5, 2), []), ((7, 5), ["float16"]), ((8, 0), ["float16", "bfloat16"])):  # noqa: B007
        assert [dtype for dtype in ("float16", "bfloat16") if computes_in(dtype, "cuda:1")] == has
    assert set(asked) == {"cuda:1"}


def test_what_the_processor_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    with pytest.raises(InputError, match="bfloat16, which 'cpu' lacks; use the dtype float32"):
        compute_in(torch.nn.Identity(), "bfloat16", "cpu")
    with pytest.raises(InputError, match="float16, which 'cpu' lacks"):
        compute_in(torch.nn.Identity(), "float16", "cpu")
    with pytest.raises(InputError, match="float32, bfloat16, float16, found 'int8'"):
        compute_in(torch.nn.Identity(), "int8", "cpu")
