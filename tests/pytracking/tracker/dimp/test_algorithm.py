"""The tracker against the published algorithm in float64 (`algorithm.py`): the same flags and boxes, frame by frame."""

import copy
import functools
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from ltr.admin.checkpoint import save_checkpoint
from ltr.admin.loading import build_network
from ltr.common.types import Image
from ltr.models.tracking.dimpnet import DiMPnet
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.parameter.dimp._base import bgd, rls, rls_sd, star, vot18, vot19
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.params import DiMPParams
from tests.pytracking.tracker.dimp.algorithm import PIXELS, SCORES, Algorithm

CROP = 96  # pixels: 6 cells of the filter's features
CHANNELS = 32  # of the filter
BOX = [80.0, 60.0, 34.0, 27.0]

SMALL_HEADS: dict[str, Any] = {
    "out_feature_dim": CHANNELS,
    "iou_input_dim": (32, 32),
    "iou_inter_dim": (32, 32),
    "iou_hidden_dim": 32,
}


@functools.cache
def frame(t: int, hidden: bool = False) -> Image:
    """A textured target that moves, grows and dims, beside a weaker copy of it, on a textured background."""
    background = np.random.default_rng(0).integers(60, 120, (18, 24, 3)).astype(np.uint8)
    image = cv2.resize(background, (192, 144), interpolation=cv2.INTER_CUBIC)
    texture = np.random.default_rng(1).integers(0, 255, (5, 6, 3)).astype(np.uint8)
    target = (round(34 + t / 4), 1.0, round(80 + 2.3 * t), round(60 + 6 * np.sin(t / 4)))
    copies = [(36, 0.55, 40 + t, 96), *([] if hidden else [target])]
    for width, opacity, x, y in copies:
        patch = cv2.resize(texture, (width, round(width * 27 / 34)), interpolation=cv2.INTER_LINEAR)
        patch = np.rint(patch * (1 - 0.01 * t)).astype(np.uint8)
        part = image[y : y + patch.shape[0], x : x + patch.shape[1]]
        patch = patch[: part.shape[0], : part.shape[1]]
        part[:] = np.rint(opacity * patch + (1 - opacity) * part)
    return image


@functools.cache
@torch.no_grad()
def tracking_network(name: str) -> DiMPnet:
    """Seeded weights that track: whitened features for the filter, an initializer that takes them as they are."""
    torch.manual_seed(0)
    net = build_network(name, **SMALL_HEADS)
    assert isinstance(net, DiMPnet)
    mean, std = (torch.tensor(values)[:, None, None] for values in (net.image_mean, net.image_std))
    images = np.stack([frame(t)[8:136, x : x + 128] for t in (0, 9) for x in (0, 50)])
    crops = (torch.from_numpy(images).movedim(3, 1) / 255 - mean) / std
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.momentum = None  # statistics of all that is seen
    net.train()
    maps = net.extract_backbone_features(crops)
    boxes = torch.tensor([[50.0, 45, 34, 27]]).repeat(4, 1)
    layers = net.get_backbone_bbreg_feat(maps)
    net.classifier.feature_extractor[:-2](maps["layer3"])
    net.bb_regressor(layers, [layer[None] for layer in layers], boxes, boxes[None, :, None])
    net.eval()

    # Whitening of what comes before the last convolution, without the mean, at the center of its kernel.
    *before, convolution, _ = net.classifier.feature_extractor.children()
    x = net.extract_backbone_features(crops)["layer3"]
    for layer in before:
        x = layer(x)
    x = x.movedim(1, 0).flatten(1).double()
    center = x.mean(dim=1, keepdim=True)
    variance, directions = torch.linalg.eigh((x - center) @ (x - center).mT / x.shape[1])
    kept = directions[:, -CHANNELS:] / variance[-CHANNELS:].sqrt()
    kept = kept - center * (center.mT @ kept) / center.square().sum()
    convolution.weight.zero_()
    convolution.weight[:, :, 1, 1] = kept.mT.float()
    identity = net.classifier.filter_initializer.filter_conv
    identity.weight.zero_()
    identity.weight[:, :, 1, 1] = torch.eye(CHANNELS)
    net.bb_regressor.iou_predictor.weight.mul_(0.02)  # boxes that change a little in each frame
    return net


@functools.cache
def networks(name: str) -> tuple[NetWithBackbone, DiMPnet]:
    """The network as a tracker gets it from a file, and plain in float64."""
    plain = tracking_network(name)
    with tempfile.TemporaryDirectory() as folder:
        path = save_checkpoint(Path(folder) / "net.safetensors", plain, name, SMALL_HEADS)
        fast = NetWithBackbone(net_path=path)
        fast.initialize("cpu")
    return fast, copy.deepcopy(plain).double()


def compare(name: str, params: DiMPParams, frames: list[Image]) -> list[str]:
    """Track with both; the flags of the frames behind the first one."""
    fast, plain = networks(name)
    params = params.replace(net=fast, device="cpu", image_sample_size=CROP)
    tracker, algorithm = DiMP(params), Algorithm(plain, params, seed=7)
    tracker.seed(7)
    tracker.initialize(frames[0], {"init_bbox": BOX})
    algorithm.initialize(frames[0], BOX)
    flags = []
    for t, image in enumerate(frames[1:], 1):
        found, (box, flag, score) = tracker.track(image), algorithm.track(image)
        assert algorithm.margin > 1, f"frame {t}: a decision of the algorithm is within the rounding of float32"
        assert found["flag"] == flag, f"frame {t}"
        assert found["target_bbox"] == pytest.approx(box, abs=PIXELS), f"frame {t}"
        assert found["object_presence_score"] == pytest.approx(score, abs=SCORES), f"frame {t}"
        np.testing.assert_allclose(tracker.score_map, algorithm.scores, rtol=0, atol=SCORES)  # the filter shows in them
        flags.append(flag)
    return flags


# Small numbers, so that little is computed and everything happens within some frames.
SMALL = DiMPParams(
    search_area_scale=4.0,
    train_skipping=5,
    net_opt_iter=5,
    sample_memory_size=12,
    augmentation={
        "fliplr": True,
        "rotate": [10, -45],
        "blur": [(2, 1)],
        "relativeshift": [(0.6, -0.6)],
        "dropout": (2, 0.2),
    },
    num_init_random_boxes=4,
    box_jitter_sz=0.1,
)

MEMBERS = {
    "dimp": SMALL,
    "star": star(SMALL),
    "bgd": bgd(SMALL, 0.03),
    "sm": bgd(SMALL, 0.03, 0.01),
    "mm": bgd(SMALL, 0.03, 0.5),
    "fm": bgd(SMALL, 0.03, 0.99),
    "rls": rls(SMALL, 0.03),
    "rls_authors": rls(SMALL, 0.03, rls_virtual_input_stride=2, num_init_random_boxes=0, iounet_k=1),
    "rls_sd": rls_sd(SMALL),
}

WINDOW: dict[str, Any] = {"window_output": True, "perform_hn_without_windowing": True}
OPTIONS: dict[str, dict[str, Any]] = {
    "window": WINDOW,
    "clipped window": {**WINDOW, "use_clipped_window": True, "effective_search_area": 2.5},
    "window without effect": {"window_output": True},
    "simple": {"advanced_localization": False, **WINDOW},
    "inside": {"border_mode": "inside", "search_area_scale": 5.5},
    "inside, limited": {"border_mode": "inside", "search_area_scale": 6.0, "patch_max_scale_change": 1.2},
    "inside_major": {"border_mode": "inside_major", "search_area_scale": 6.0, "patch_max_scale_change": 1.5},
    "no box": {"use_iou_net": False},
    "learning before the box": {"use_iounet_pos_for_learning": False},
    "modulation of many": {"iounet_augmentation": True},
    "relative": {"box_refinement_space": "relative", "box_refinement_step_length": 0.05},
    "low scores": {**WINDOW, "low_score_opt_threshold": 0.6, "net_opt_low_iter": 1},
    "few samples": {"sample_memory_size": 9, "init_samples_minimum_weight": None, "use_augmentation": False},
}


@pytest.mark.parametrize("member", MEMBERS)
def test_members(member: str) -> None:
    compare("dimpnet18", MEMBERS[member], [frame(t) for t in range(30)])


# PrDiMP's loss and its softmax; delta as small as the weights of that loss.
PRDIMP = SMALL.replace(score_preprocess="softmax", target_not_found_threshold=0.04)
PRDIMP_MEMBERS = {
    "prdimp": PRDIMP,
    "without softmax": SMALL,
    "bgd": bgd(PRDIMP, 0.5, 0.5),
    "rls": rls(PRDIMP, 0.03, rls_delta=0.003),
    "rls_sd": rls_sd(PRDIMP).replace(rls_delta=0.003),
    "relative": PRDIMP.replace(box_refinement_space="relative", box_refinement_step_length=0.05),
}


@pytest.mark.parametrize("member", PRDIMP_MEMBERS)
def test_prdimp(member: str) -> None:
    compare("klcedimpnet18", PRDIMP_MEMBERS[member], [frame(t) for t in range(14)])


@pytest.mark.parametrize("member", ["dimp", "rls"])
def test_dimp50(member: str) -> None:
    compare("dimpnet50", MEMBERS[member], [frame(t) for t in range(7)])


@pytest.mark.parametrize("option", OPTIONS)
def test_options(option: str) -> None:
    augmentation = {**SMALL.augmentation, "scale": [1.3]}
    params = rls(SMALL, 0.03).replace(**{"augmentation": augmentation, **OPTIONS[option]})
    compare("dimpnet18", params, [frame(2 * t) for t in range(9)])


@pytest.mark.parametrize("year", ["18", "19"])
def test_vot(year: str) -> None:
    params = {"18": vot18, "19": vot19}[year](SMALL).replace(train_skipping=3, search_area_scale=4.0, net_opt_iter=5)
    compare("dimpnet18", params, [frame(2 * t) for t in range(8)])


# Thresholds at which the second peak counts as a rival, as a distractor, or as one that is nearer than the first.
PEAKS: dict[str, tuple[dict[str, float], str]] = {
    "rival": ({"distractor_threshold": 0.1}, "uncertain"),
    "distractor": ({"hard_negative_threshold": 0.1, "target_not_found_threshold": 0.02}, "hard_negative"),
    "nearer": ({"distractor_threshold": 0.1, "displacement_scale": 0.3}, "hard_negative"),
    "doubt": ({"uncertain_threshold": 0.6}, "uncertain"),
    "hard": ({"hard_sample_threshold": 0.6}, "hard_negative"),
}


@pytest.mark.parametrize("peaks", PEAKS)
def test_second_peaks(peaks: str) -> None:
    thresholds, flag = PEAKS[peaks]
    assert flag in compare("dimpnet18", rls(SMALL, 0.03).replace(**thresholds), [frame(2 * t) for t in range(8)])


def test_hidden_target() -> None:
    flags = compare("dimpnet18", SMALL, [frame(t, hidden=t in (3, 4)) for t in range(8)])
    assert flags == ["normal"] * 2 + ["not_found"] * 2 + ["normal"] * 3
