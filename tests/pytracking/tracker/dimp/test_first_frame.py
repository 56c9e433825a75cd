"""The samples of the first frame, and which of them the IoU-Net learns the target from."""

from typing import Any

import numpy as np
import pytest
import torch

from ltr.inference import prepare
from ltr.models.tracking.dimpnet import dimpnet_lite0
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.first_frame import initial_samples
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.state import TargetState

IMAGE = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
FULL: dict[str, Any] = {
    "shift": [(4, 6)],
    "relativeshift": [(0.2, -0.2)],
    "fliplr": True,
    "blur": [(2, 1), (1, 1)],
    "scale": [1.2, 0.8],
    "rotate": [10, -30],
    "dropout": (2, 0.2),
}


@pytest.mark.parametrize(
    ("left_out", "exact"),
    [((), 6), (("rotate",), 6), (("scale",), 6), (("rotate", "scale"), 6), (("blur", "fliplr"), 3)],
)
@pytest.mark.parametrize("augmented", [True, False])
def test_modulation_is_of_the_samples_before_the_first_scaled_or_rotated_one(
    monkeypatch: pytest.MonkeyPatch, left_out: tuple[str, ...], exact: int, augmented: bool
) -> None:
    net = NetWithBackbone(net_path="unused.pth")
    torch.manual_seed(0)
    net.net = prepare(dimpnet_lite0(backbone_pretrained=False, bb_regressor=True).eval())
    seen: list[torch.Tensor] = []
    learn = net.net.bb_regressor.get_modulation
    monkeypatch.setattr(
        net.net.bb_regressor, "get_modulation", lambda feat, bb: (seen.append(bb), learn(feat, bb))[1], raising=False
    )
    augmentation = {name: value for name, value in FULL.items() if name not in left_out}
    params = DiMPParams(net=net, device="cpu", augmentation=augmentation, iounet_augmentation=augmented)
    tracker = DiMP(params.replace(image_sample_size=96, net_opt_iter=1))
    tracker.seed(0)
    tracker.initialize(IMAGE, {"init_bbox": [60, 40, 30, 24]})
    assert len(seen[0]) == (exact if augmented else 1)


@pytest.mark.parametrize("border_mode", ["replicate", "inside", "inside_major"])
def test_random_shifts_are_drawn_around_the_global_one(border_mode: str) -> None:
    """Noise and global shift are added before they are cut to whole pixels."""
    params = DiMPParams(border_mode=border_mode, augmentation=FULL, patch_max_scale_change=1.5)
    crop_sz = (96, 96)
    target = TargetState.from_box([3.3, 70.7, 30, 40], (120, 160), crop_sz, 5.0)
    samples = initial_samples(IMAGE, target, crop_sz, params, torch.Generator().manual_seed(3), torch.device("cpu"))
    moved = samples.boxes[:, :2] - samples.boxes[0, :2]

    extent = target.scale * 96
    ratio = {"replicate": 1.0, "inside": extent / 120, "inside_major": extent / 160}[border_mode]
    scale = target.scale / min(max(ratio, 1.0), 1.5)
    shift = np.zeros(2)
    if border_mode != "replicate":
        before = np.ceil(-(target.pos - (96 * scale - 1) / 2)).clip(0)
        after = np.ceil(target.pos + 96 * scale / 2 + 1 - [120, 160]).clip(0)
        shift = (after - before) / scale
        assert shift.any()
    noise = torch.rand(7, 2, generator=torch.Generator().manual_seed(3)).double().numpy() - 0.5
    expected = np.trunc(noise * 96 * params.random_shift_factor + shift) - np.trunc(shift)
    np.testing.assert_allclose(moved[3:].numpy(), expected[:, ::-1], atol=1e-4)  # float32 boxes of some 100 pixels
    np.testing.assert_allclose(moved[:3].numpy(), [[0, 0], [6, 4], [-9, 9]], atol=1e-4)
