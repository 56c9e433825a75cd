"""Boxes by ridge regression on maps that tell where the target's corners are, and in the whole tracker."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pytracking.parameter.dimp.dimp_lite_untrained_ridge import parameters
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.ridge_boxes import RidgeBoxes, box_features
from tests.pytracking.tracker.dimp.test_dimp import SMALL, frame

CROP = (144, 144)
RIDGE = parameters().replace(**SMALL)
PARAMS = DiMPParams(ridge_cells={"layer2": 5}, ridge_alpha=0.01)


def square_map(box: Tensor, noise: float = 0.02) -> Tensor:  # (4,) xywh -> (1, 2, 18, 18)
    """Stride 8: the share of each cell that the box covers, and a texture that is always there."""
    edges = torch.arange(19) * 8.0
    x, y = (
        (torch.minimum(edges[1:], box[i] + box[2 + i]) - torch.maximum(edges[:-1], box[i])).clamp(min=0) / 8
        for i in (0, 1)
    )
    texture = torch.randn(18, 18, generator=torch.Generator().manual_seed(0))
    return torch.stack((y[:, None] * x, noise * texture))[None]


def fitted() -> RidgeBoxes:
    boxes = torch.tensor([[52.0, 47, 40, 50], [40, 60, 36, 45], [60, 40, 44, 55], [47, 51, 40, 50]])
    ridge = RidgeBoxes.fit(
        {"layer2": torch.cat([square_map(box) for box in boxes])}, boxes, CROP, PARAMS, torch.Generator().manual_seed(1)
    )
    assert ridge is not None
    return ridge


@pytest.mark.parametrize("shift", [(0, 0, 0, 0), (4, -3, 0, 0), (-3, -2, 5, 4), (1, 2, -4, -5)])
def test_box_is_moved_onto_the_target(shift: tuple[float, ...]) -> None:
    target = torch.tensor([50.0, 49, 40, 50])
    box = (target + torch.tensor(shift)).double().numpy()
    moved = fitted().moved({"layer2": square_map(target)}, box, CROP)
    assert moved.tolist() == pytest.approx(target.tolist(), abs=1.5)  # pixels; a cell has 8


def test_a_box_moves_as_its_features_say() -> None:
    """Against the features of the box and the regressor; two layers of other strides, and maps not square."""
    torch.manual_seed(0)
    crop_sz, target = (144, 160), torch.tensor([[52.0, 47, 40, 50]])
    params = DiMPParams(ridge_cells={"layer3": 3, "layer2": 5}, ridge_alpha=1.0)
    layers = {"layer2": torch.randn(1, 3, 18, 20), "layer3": torch.randn(1, 5, 9, 10)}
    ridge = RidgeBoxes.fit(layers, target, crop_sz, params, torch.Generator().manual_seed(1))
    assert ridge is not None
    box = (target + torch.tensor([2.0, -3, 4, 1])).double()
    features = box_features(layers, box, torch.zeros(1).long(), crop_sz, params.ridge_cells, params.ridge_context)
    expected = ridge.regressor.moved(ridge.regressor.motion(features).numpy(), box.numpy())[0]
    assert not np.array_equal(expected, box[0])
    # Sums of some hundred products in float32 in another order, times coefficients of a few pixels.
    np.testing.assert_allclose(ridge.moved(layers, box[0].numpy(), crop_sz), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("growth", [1.0, 1e4, np.nan])
def test_boxes_that_grow_too_much_stay(growth: float) -> None:
    ridge, box = fitted(), np.array([50.0, 49, 40, 50])
    intercept = ridge.intercept + np.array([0.0, 0, growth, growth])
    still = replace(ridge, factors=[np.zeros_like(each) for each in ridge.factors], intercept=intercept)
    layer = square_map(torch.from_numpy(box).float())
    assert still.moved({"layer2": layer}, box, CROP).tolist() == box.tolist()


def test_features_do_not_depend_on_the_crop_that_shows_the_target() -> None:
    """The same scene 16 pixels further, two cells of the map, gives the same features of the box 16 pixels further."""
    box = torch.tensor([[40.0, 44, 30, 34]])
    layer = torch.zeros(2, 3, 18, 18)
    layer[0, :, 3:12, 3:12] = torch.randn(3, 9, 9)
    layer[1] = layer[0].roll((2, 2), dims=(1, 2))
    features = box_features(
        {"layer2": layer}, torch.cat((box, box + torch.tensor([16, 16, 0, 0]))), torch.tensor([0, 1]), CROP,
        {"layer2": 4}, 1.4,
    )  # fmt: skip
    assert features.shape == (2, 3 * 4 * 4)
    torch.testing.assert_close(features[0], features[1])


def test_tracker_follows_a_growing_target() -> None:
    tracker = DiMP(RIDGE)
    tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 40]})
    for t in range(1, 16):
        box = tracker.track(frame(120 - t / 2, 90 - t / 2, 40 + t))["target_bbox"]
    assert box[2] > 49
    assert box[3] > 49


def test_size_is_not_taken_over_where_the_score_is_not_trusted() -> None:
    tracker = DiMP(RIDGE.replace(box_trust_score=1e6))  # of any real score the share is about 1e-12
    tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 40]})
    for t in range(1, 6):
        box = tracker.track(frame(120 - t / 2, 90 - t / 2, 40 + t))["target_bbox"]
    assert box[2:] == pytest.approx([40, 40], abs=1e-3)


def test_choice_of_the_box_estimator() -> None:
    params = DiMPParams()
    assert [params.choose_box_estimator(has) for has in (True, False)] == ["iou_net", "scales"]
    assert params.replace(use_iou_net=False).choose_box_estimator(True) == "scales"
    assert params.replace(box_estimator="ridge").choose_box_estimator(True) == "ridge"
    with pytest.raises(ValueError, match="has no IoU-Net"):
        params.replace(box_estimator="iou_net").choose_box_estimator(False)
