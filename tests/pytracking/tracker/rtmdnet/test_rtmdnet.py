"""The whole tracker on small rendered videos with the embedded network, and on a real one."""

from typing import Any

import numpy as np
import pytest
import torch

from ltr.common.image import read_image
from ltr.models.tracking.mdnet import mdnet
from pytracking.evaluation.tracker import Tracker
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.parameter.rtmdnet._base import rls, rtmdnet_lite, simple
from pytracking.tracker.rtmdnet.params import RTMDNetParams
from pytracking.tracker.rtmdnet.rtmdnet import RTMDNet
from tests.pytracking.tracker.dimp.test_dimp import frame, overlap, path
from tests.shared_data import shared_path

SMALL: dict[str, Any] = {
    "init_positives": 100,
    "init_negatives": 400,
    "regression_samples": 100,
    "extra_crops": 3,
    "scene_scales": [1.1],
    "init_iterations": 20,
    "update_iterations": 3,
    "num_candidates": 128,
    "batch_negative_candidates": 128,
    "update_negatives": 60,
}


def lite(**changes: Any) -> RTMDNetParams:
    """RLS-RTMDNet on small scenes: four times as fast, and good enough for rendered videos."""
    net = NetWithBackbone(architecture="mdnet_lite0", target_size=40, hidden_dim=64)
    return rls(rtmdnet_lite()).replace(device="cpu", net=net, **{**SMALL, **changes})


def started(params: RTMDNetParams, box: list[float] | None = None, seed: int = 0) -> RTMDNet:
    tracker = RTMDNet(params)
    tracker.seed(seed)
    tracker.initialize(frame(*path(0)), {"init_bbox": box or [*path(0), 40, 40]})
    return tracker


def run(params: RTMDNetParams, num_frames: int = 12, seed: int = 0) -> list[dict[str, Any]]:
    tracker = started(params, seed=seed)
    return [tracker.track(frame(*path(t))) for t in range(1, num_frames)]


@pytest.mark.parametrize("family", ["rtmdnet", "simple", "rls", "rls_dense", "rls_paper"])
def test_tracks_a_moving_target_and_reports_it(family: str) -> None:
    base = rtmdnet_lite()
    params = {
        "rtmdnet": base,
        "simple": simple(base),
        "rls": rls(base),
        "rls_dense": rls(base, rls_estimator="dense"),
        "rls_paper": rls(base, rls_weight_decay_mode="paper"),
    }[family]
    outputs = run(params.replace(device="cpu", **SMALL | {"init_iterations": 50}))
    for t, output in enumerate(outputs, start=1):
        assert overlap(output["target_bbox"], [*path(t), 40, 40]) > 0.5
        assert isinstance(output["object_presence_score"], float)
        assert output["flag"] in ("normal", "not_found")
    assert outputs[-1]["object_presence_score"] > 0


def test_first_output() -> None:
    tracker = RTMDNet(lite())
    output = tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 40]})
    reported = {"object_presence_score": 1.0, "flag": "normal", "rejected_updates": 0}
    assert output == {"target_bbox": [120, 90, 40, 40], **reported}


def test_same_seed_same_boxes_other_seed_other_boxes() -> None:
    """Whatever else draws random numbers in the process, and whatever is tracked beside."""
    boxes = []
    for seed, disturbance in ((1, 0), (1, 9), (2, 0)):
        torch.manual_seed(disturbance)
        np.random.seed(disturbance)  # noqa: NPY002
        boxes.append([output["target_bbox"] for output in run(lite(), 5, seed)])
    assert boxes[0] == boxes[1]
    assert boxes[0] != boxes[2]


def test_vanished_target_is_reported_and_found_again() -> None:
    tracker = started(lite(init_iterations=50), [120.0, 90.0, 40.0, 40.0])
    hidden = tracker.track(frame(0, 0, visible=False))
    assert hidden["flag"] == "not_found"
    assert hidden["object_presence_score"] <= 0
    assert tracker.classifier.has_backup
    for _ in range(28):  # up to frame 30: the search goes on around the last place, regular updates follow success
        output = tracker.track(frame(120, 90))
    assert output["flag"] == "normal"
    assert not tracker.classifier.has_backup
    assert overlap(output["target_bbox"], [120, 90, 40, 40]) > 0.5


def test_updates_follow_algorithm_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Occasional updates on failure, regular ones at every tenth frame of success, samples on success only."""
    tracker = started(lite(), [120.0, 90.0, 40.0, 40.0])
    calls: list[tuple[str, int]] = []
    for name in ("update_occasionally", "update_regularly"):
        monkeypatch.setattr(tracker.classifier, name, lambda memory, name=name: calls.append((name, tracker.frame_num)))
    stored = []
    monkeypatch.setattr(tracker, "_remember", lambda image: stored.append(tracker.frame_num))
    failures = {4, 5, 20}
    for number in range(2, 32):
        score = -1.0 if number in failures else 1.0
        monkeypatch.setattr(tracker.classifier, "score", lambda features, s=score: torch.full((len(features),), s))
        tracker.track(frame(120, 90))
    assert calls == [
        *(("update_occasionally", number) for number in (4, 5)),
        ("update_regularly", 10),
        ("update_occasionally", 20),
        ("update_regularly", 30),
    ]
    assert stored == [number for number in range(2, 32) if number not in failures]


def test_candidates_spread_after_a_failure() -> None:
    tracker = started(lite(num_candidates=500), [120.0, 90.0, 40.0, 40.0])
    spread = []
    for found in (True, False):
        tracker.found = found
        candidates = tracker._draw_candidates(frame(120, 90))
        spread.append(float((candidates[:, :2] + candidates[:, 2:] / 2 - torch.tensor([140, 110])).abs().max()))
    assert spread == [pytest.approx(0.6 * 40, rel=0.02), pytest.approx(1.4 * 40, rel=0.02)]


def test_memory_is_bounded_however_long_the_video() -> None:
    """Features of at most 20 frames; P, the classifier and its optimizers do not grow beyond their bound either."""
    tracker = started(lite(update_iterations=1, update_positives=5, update_negatives=8, rls_max_rank=32))
    sizes = []
    for t in range(2, 82):
        tracker.track(frame(*path(t % 20)))
        if t in (40, 81):
            states = [layer.inverse_correlation.state_dict() for layer in tracker.classifier.optimizer.layers]  # type: ignore[attr-defined]
            held = [value for state in states for value in state.values() if torch.is_tensor(value)]
            sizes.append((tracker.memory.num_bytes, sum(value.numel() for value in held)))
        assert len(tracker.memory) <= 20
    assert sizes[1][0] <= 20 * 13 * tracker.net.feature_dim * 4
    dims = [layer.inverse_correlation.dim for layer in tracker.classifier.optimizer.layers]  # type: ignore[attr-defined]
    assert sizes[1][1] <= 32 * dims[0] + 32**2 + dims[1] ** 2 + dims[2] ** 2


def test_output_not_found_box() -> None:
    tracker = started(lite(output_not_found_box=True, success_threshold=1e9))
    assert tracker.track(frame(120, 90))["target_bbox"] == [-1, -1, -1, -1]


@pytest.mark.parametrize("box", [[10, 10, 1, 1], [310, 230, 40, 40], [-20, -20, 60, 60], [0, 0, 320, 240]])
def test_extreme_boxes_give_finite_boxes(box: list[float]) -> None:
    tracker = started(lite(), box)
    for t in range(3):
        assert np.isfinite(tracker.track(frame(*path(t)))["target_bbox"]).all()


@pytest.mark.parametrize("size", [(5, 6), (9, 200), (40, 30)])
def test_tiny_images_give_finite_boxes(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    tracker = RTMDNet(lite())
    tracker.initialize(image, {"init_bbox": [0, 0, size[1], size[0]]})
    assert np.isfinite(tracker.track(image)["target_bbox"]).all()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_images_of_one_color_give_finite_boxes(value: int) -> None:
    image = np.full((100, 120, 3), value, np.uint8)
    tracker = RTMDNet(lite())
    tracker.initialize(image, {"init_bbox": [40, 40, 20, 20]})
    for _ in range(2):
        assert np.isfinite(tracker.track(image)["target_bbox"]).all()


@pytest.mark.parametrize("box", [[10, 10, 0, 5], [400, 10, 20, 20], [float("nan"), 1, 2, 3]])
def test_impossible_boxes_are_errors(box: list[float]) -> None:
    with pytest.raises(ValueError, match="initial box"):
        RTMDNet(lite()).initialize(frame(120, 90), {"init_bbox": box})


def test_a_network_is_needed() -> None:
    with pytest.raises(ValueError, match="expected a network in the parameter 'net', found None"):
        RTMDNet(RTMDNetParams()).initialize_features()


@pytest.mark.parametrize(
    "changes",
    [
        {"bbox_regression": False},
        {"extra_crops": 0},
        {"scene_scales": []},
        {"rls_beta": 0.99},
        {"num_candidates": 3},
        {"weight_backup": False, "regular_memory": "long"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_optional_parameters_run(changes: dict[str, Any]) -> None:
    outputs = run(lite(update_interval=2, **changes), 4)
    assert all(np.isfinite(output["target_bbox"]).all() for output in outputs)


def test_runs_on_vgg_m(tmp_path: Any) -> None:
    """A checkpoint in RT-MDNet's format with random weights: nothing is tracked, every step runs."""
    torch.save({"shared_layers": mdnet(num_branches=0).layers.state_dict()}, tmp_path / "rt-mdnet.pth")
    net = NetWithBackbone(net_path=tmp_path / "rt-mdnet.pth")
    few = {"init_negatives": 40, "init_positives": 20, "regression_samples": 20, "init_iterations": 2, "extra_crops": 1}
    few |= {"num_candidates": 16, "update_interval": 2, "update_iterations": 1}
    params = rls(RTMDNetParams(net=net)).replace(device="cpu", **{**SMALL, **few})
    outputs = run(params, 3)
    assert all(np.isfinite(output["target_bbox"]).all() for output in outputs)


def test_tracks_real_video() -> None:
    folder = shared_path("data", "OTB100", "Crossing")
    truth = np.loadtxt(folder / "groundtruth_rect.txt")[:15] - [1, 1, 0, 0]
    setup = Tracker("rtmdnet", "rls_rtmdnet_lite", device="cpu")
    tracker = setup.create_tracker(setup.get_parameters().replace(init_negatives=2000, extra_crops=20))  # type: ignore[union-attr]
    tracker.seed(0)
    images = [read_image(folder / "img" / f"{number:04d}.jpg") for number in range(1, 16)]
    tracker.initialize(images[0], {"init_bbox": truth[0].tolist()})
    found = [tracker.track(image)["target_bbox"] for image in images[1:]]
    overlaps = [overlap(box, real) for box, real in zip(found, truth[1:].tolist(), strict=True)]
    assert np.mean(overlaps) > 0.5
