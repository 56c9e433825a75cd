"""The whole tracker on small rendered videos, with the embedded network."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ltr.common.types import Image
from ltr.inference import prepare
from ltr.models.tracking.dimpnet import dimpnet18
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.parameter.dimp._base import (
    bgd,
    dimp_lite,
    dimp_lite_untrained,
    kl_bgd,
    kl_rls,
    kl_rls_sd,
    prdimp_lite,
    rls,
)
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.utils import TrackerParams

SMALL: dict[str, Any] = {"augmentation": {"fliplr": True, "dropout": (1, 0.2)}}


def frame(x: float, y: float, size: float = 40.0, visible: bool = True) -> Image:
    """A textured background with one textured disk."""
    background = np.random.default_rng(0).integers(60, 120, (30, 40, 3)).astype(np.uint8)
    image = cv2.resize(background, (320, 240), interpolation=cv2.INTER_CUBIC)
    if visible:
        texture = np.random.default_rng(1).integers(0, 255, (6, 6, 3)).astype(np.uint8)
        patch = cv2.resize(texture, (round(size), round(size)), interpolation=cv2.INTER_NEAREST)
        top, left = round(y), round(x)
        image[top : top + round(size), left : left + round(size)] = patch
    return image


def path(t: int) -> tuple[float, float]:
    return 120 + 3.0 * t, 90 + 2.0 * np.sin(t / 3)


def overlap(a: list[float], b: list[float]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inter = max(width, 0.0) * max(height, 0.0)
    return inter / (a[2] * a[3] + b[2] * b[3] - inter)


def run(params: DiMPParams, num_frames: int = 12, seed: int = 0) -> list[dict[str, Any]]:
    tracker = DiMP(params)
    tracker.seed(seed)
    outputs = [tracker.initialize(frame(*path(0)), {"init_bbox": [*path(0), 40, 40]})]
    return outputs + [tracker.track(frame(*path(t))) for t in range(1, num_frames)]


@pytest.mark.parametrize(
    "params",
    [dimp_lite(), bgd(dimp_lite(), 0.03, 0.5), rls(dimp_lite(), 0.01), rls(dimp_lite(), 0.01, rls_estimator="dense")],
    ids=["steepest_descent", "bgd_ema", "rls", "rls_dense"],
)
def test_tracks_a_moving_target_and_reports_it(params: DiMPParams) -> None:
    outputs = run(params.replace(train_skipping=4, **SMALL))
    for t, output in enumerate(outputs):
        assert overlap(output["target_bbox"], [*path(t), 40, 40]) > 0.6
        assert isinstance(output["object_presence_score"], float)
        assert output["flag"] == "normal"
    assert outputs[-1]["object_presence_score"] > 0.25


def test_same_seed_same_boxes_other_seed_other_boxes() -> None:
    first, again, other = (run(dimp_lite().replace(**SMALL), 4, seed) for seed in (1, 1, 2))
    boxes = [[output["target_bbox"] for output in outputs] for outputs in (first, again, other)]
    scores = [[output["object_presence_score"] for output in outputs] for outputs in (first, again, other)]
    assert boxes[0] == boxes[1]
    assert scores[0] == scores[1] != scores[2]


def test_vanished_target_is_reported_and_found_again() -> None:
    tracker = DiMP(dimp_lite().replace(**SMALL))
    tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 40]})
    for _ in range(5):
        before = tracker.track(frame(120, 90))
    hidden = tracker.track(frame(0, 0, visible=False))
    assert hidden["flag"] == "not_found"
    assert hidden["target_bbox"] == before["target_bbox"]
    assert hidden["object_presence_score"] < 0.25
    assert tracker.track(frame(124, 92))["flag"] == "normal"


def test_output_not_found_box() -> None:
    tracker = DiMP(dimp_lite().replace(output_not_found_box=True, **SMALL))
    tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 40]})
    assert tracker.track(frame(0, 0, visible=False))["target_bbox"] == [-1, -1, -1, -1]


def test_scale_search_follows_a_growing_target() -> None:
    tracker = DiMP(dimp_lite().replace(**SMALL))
    tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 40]})
    for t in range(1, 31):
        output = tracker.track(frame(120 - t / 2, 90 - t / 2, 40 + t))
    assert output["target_bbox"][2] > 55


@pytest.mark.parametrize("box", [[10, 10, 1, 1], [310, 230, 40, 40], [-20, -20, 60, 60], [0, 0, 320, 240]])
def test_extreme_boxes_give_finite_boxes(box: list[float]) -> None:
    tracker = DiMP(dimp_lite().replace(**SMALL))
    tracker.initialize(frame(120, 90), {"init_bbox": box})
    for t in range(3):
        assert np.isfinite(tracker.track(frame(*path(t)))["target_bbox"]).all()


@pytest.mark.parametrize("box", [[10, 10, 0, 5], [400, 10, 20, 20], [float("nan"), 1, 2, 3]])
def test_impossible_boxes_are_errors(box: list[float]) -> None:
    with pytest.raises(ValueError, match="initial box"):
        DiMP(dimp_lite()).initialize(frame(120, 90), {"init_bbox": box})


@pytest.mark.parametrize(
    "changes",
    [
        {"window_output": True, "perform_hn_without_windowing": True},
        {
            "window_output": True,
            "use_clipped_window": True,
            "effective_search_area": 3.0,
            "advanced_localization": False,
        },
        {"border_mode": "inside_major", "patch_max_scale_change": 1.5},
        {"border_mode": "inside"},
        {"use_image_aspect_ratio": True},
        {"score_filter_ksz": 3},
        {"alternate_scales": False, "scale_penalty": 0.95, "scale_update_rate": 0.5},
        {"filter_reg": 0.2, "filter_init_zero": True},
        {"low_score_opt_threshold": 2.0, "net_opt_low_iter": 1, "train_sample_interval": 2},
        {"use_augmentation": False, "init_samples_minimum_weight": None, "hard_negative_learning_rate": None},
        {"update_classifier": False},
        {"debug": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_optional_parameters_run(changes: dict[str, Any]) -> None:
    outputs = run(dimp_lite().replace(**{**SMALL, "train_skipping": 2, **changes}), 5)
    assert overlap(outputs[-1]["target_bbox"], [*path(4), 40, 40]) > 0.3


def test_filter_reg_of_one_tracker_does_not_reach_another() -> None:
    def reg_after_start(params: DiMPParams) -> float:
        tracker = DiMP(params)
        tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 40]})
        reg: float = tracker.net.classifier.filter_optimizer.filter_reg.item()
        return reg

    learnt = reg_after_start(dimp_lite().replace(**SMALL))
    run(dimp_lite().replace(filter_reg=5.0, **SMALL), 2)
    assert learnt != 5.0
    assert reg_after_start(dimp_lite().replace(**SMALL)) == learnt


@pytest.mark.parametrize(
    "params",
    [prdimp_lite(), kl_bgd(prdimp_lite(), 0.03), kl_rls(prdimp_lite(), 0.03), kl_rls_sd(prdimp_lite())],
    ids=["steepest_descent", "bgd", "rls", "rls_sd"],
)
def test_prdimp_tracks_and_reports_probabilities(params: DiMPParams) -> None:
    outputs = run(params.replace(train_skipping=4, **SMALL))
    for t, output in enumerate(outputs):
        # Boxes are trusted in part only at such low probabilities: one cell, 7.8 pixels on each axis, leaves .48.
        assert overlap(output["target_bbox"], [*path(t), 40, 40]) > 0.45
        assert 0.02 < output["object_presence_score"] <= 1
        assert output["flag"] == "normal"


def test_parameters_of_prdimps_loss_replace_those_of_the_network() -> None:
    changes: dict[str, Any] = {"softmax_reg": -1.0, "label_threshold": 0.01, "label_shrink": 0.1, "filter_reg": 0.01}
    tracker = DiMP(prdimp_lite().replace(**changes, **SMALL))
    tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 40]})
    loss = tracker.classifier.optimizer
    assert (loss.softmax_reg, loss.label_threshold, loss.label_shrink) == (-1.0, 0.01, 0.1)
    assert loss.reg.item() == pytest.approx(1e-4)  # below the network's least
    assert tracker.net.classifier.filter_optimizer.softmax_reg is None
    tracker.track(frame(120, 90))
    assert tracker.scores is not None
    assert 0.1 < tracker.scores.sum() < 0.999  # the rest is that of the cell for no target
    with pytest.warns(UserWarning, match="'softmax_reg' has no effect"):
        DiMP(dimp_lite().replace(softmax_reg=-1.0, **SMALL)).initialize(frame(0, 0), {"init_bbox": [9, 9, 40, 40]})


def iou_net_params() -> DiMPParams:
    """DiMP-18 with random weights: nothing is tracked, every step runs."""
    torch.manual_seed(0)
    net = NetWithBackbone(net_path="unused.pth")
    net.net = prepare(dimpnet18().eval())
    return DiMPParams(net=net, target_not_found_threshold=-1e9, box_refinement_iter=2, train_skipping=2, **SMALL)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"box_refinement_space": "relative", "box_refinement_step_length": (2.5e-3, 1e-2)},
        {"iounet_k": 1, "num_init_random_boxes": 0},
        {"iounet_augmentation": True, "use_iounet_pos_for_learning": False, "use_classifier": False},
        {"border_mode": "inside_major", "update_scale_when_uncertain": False},
    ],
    ids=["default", "relative", "authors", "augmented", "border"],
)
def test_iou_net_refines_boxes(changes: dict[str, Any]) -> None:
    params = iou_net_params().replace(**changes)
    outputs = run(params, 4)
    assert np.isfinite([output["target_bbox"] for output in outputs[1:]]).all()
    repeated = run(params, 4)
    assert [o["target_bbox"] for o in repeated[1:]] == [o["target_bbox"] for o in outputs[1:]]


def test_learning_from_the_unrefined_position_does_not_hold_the_target_back() -> None:
    boxes, learnt = [], []
    for learns_there in (True, False):
        tracker = DiMP(iou_net_params().replace(use_iounet_pos_for_learning=learns_there))
        tracker.initialize(frame(*path(0)), {"init_bbox": [*path(0), 40, 40]})
        boxes.append(tracker.track(frame(*path(1)))["target_bbox"])
        learnt.append(tracker.classifier.memory.boxes[-1].tolist())
    assert boxes[0] == boxes[1]
    assert learnt[0] != learnt[1]
    assert learnt[0][2:] == pytest.approx(learnt[1][2:])  # the refined size serves both


def test_without_a_sound_box_the_target_keeps_its_scale() -> None:
    tracker = DiMP(iou_net_params().replace(maximal_aspect_ratio=1.0))  # which no box is within
    tracker.initialize(frame(*path(0)), {"init_bbox": [*path(0), 40, 40]})
    tracker.target.scale *= 1.1  # as after an uncertain frame that changed the size alone
    scale, size = tracker.target.scale, tracker.target.size.tolist()
    tracker.track(frame(*path(1)))
    assert (tracker.target.scale, tracker.target.size.tolist()) == (scale, size)


def test_without_a_box_estimator_the_scale_is_that_of_the_crop() -> None:
    tracker = DiMP(dimp_lite_untrained().replace(scale_factors=[1.0], **SMALL))
    tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 37]})
    before = tracker.target.scale
    tracker.track(frame(120, 90))
    assert tracker.searched is not None
    assert tracker.target.scale == tracker.searched.scale[0] != before  # the crop has whole pixels


def test_parameters_of_a_pytracking_file_run() -> None:
    bag: Any = TrackerParams()
    bag.debug = 0
    bag.visualization = False
    bag.use_gpu = False
    bag.image_sample_size = 18 * 16
    bag.search_area_scale = 5
    bag.sample_memory_size = 50
    bag.learning_rate = 0.01
    bag.init_samples_minimum_weight = 0.25
    bag.train_skipping = 20
    bag.update_classifier = True
    bag.net_opt_iter = 2
    bag.net_opt_update_iter = 2
    bag.net_opt_hn_iter = 1
    bag.window_output = False
    bag.use_augmentation = True
    bag.augmentation = {"fliplr": True, "blur": [(3, 1)], "relativeshift": [(0.6, 0.6)], "dropout": (2, 0.2)}
    bag.augmentation_expansion_factor = 2
    bag.random_shift_factor = 1 / 3
    bag.advanced_localization = True
    bag.target_not_found_threshold = 0.25
    bag.distractor_threshold = 0.8
    bag.hard_negative_threshold = 0.5
    bag.target_neighborhood_scale = 2.2
    bag.dispalcement_scale = 0.8
    bag.hard_negative_learning_rate = 0.02
    bag.update_scale_when_uncertain = True
    bag.iounet_augmentation = False
    bag.iounet_use_log_scale = True
    bag.iounet_k = 3
    bag.num_init_random_boxes = 9
    bag.box_jitter_pos = 0.1
    bag.box_jitter_sz = 0.5
    bag.maximal_aspect_ratio = 6
    bag.box_refinement_iter = 5
    bag.box_refinement_step_length = 1
    bag.box_refinement_step_decay = 1
    bag.net = iou_net_params().net
    bag.vot_anno_conversion_type = "preserve_area"
    with pytest.warns(DeprecationWarning, match="displacement_scale"):
        tracker = DiMP(bag)
    assert tracker.device.type == "cpu"
    tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 40]})
    assert len(tracker.track(frame(123, 90))["target_bbox"]) == 4
