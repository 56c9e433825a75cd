"""Both trackers compute in the precision that their parameters name, whatever the process allows."""

from typing import Any

import numpy as np
import pytest
import torch

from ltr.common.errors import InputError
from pytracking.evaluation.tracker import Tracker
from pytracking.features.net_wrappers import NetWithBackbone

FAMILIES = pytest.mark.parametrize("names", [("dimp", "rls_dimp_lite_untrained"), ("rtmdnet", "rls_rtmdnet_lite")])


def track(names: tuple[str, str], **changes: Any) -> list[list[float]]:
    """Boxes of two frames."""
    setup = Tracker(*names, device="cpu")
    tracker = setup.create_tracker(setup.get_parameters().replace(**changes))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (120, 160, 3), np.uint8)
    tracker.initialize(image, {"init_bbox": [50.0, 40.0, 30.0, 26.0]})
    return [tracker.track(np.roll(image, shift, axis=1))["target_bbox"] for shift in (1, 2)]


@FAMILIES
def test_what_the_process_allows_changes_nothing(names: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    preprocess = NetWithBackbone.preprocess_image

    def watched(self: NetWithBackbone, images: torch.Tensor) -> torch.Tensor:
        seen.append((torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()))
        return preprocess(self, images)

    monkeypatch.setattr(NetWithBackbone, "preprocess_image", watched)
    expected = track(names)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            assert track(names) == expected
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision("highest")
    assert set(seen) == {(False, "highest")}


@FAMILIES
@pytest.mark.parametrize("dtype", ["tf32", "float16"])
def test_a_cpu_has_neither_tf32_nor_float16(names: tuple[str, str], dtype: str) -> None:
    with pytest.raises(InputError, match=f"instructions for {dtype}, which 'cpu' lacks; use the dtype float32"):
        track(names, network_dtype=dtype)
