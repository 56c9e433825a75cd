"""Boxes by ridge regression on maps that tell where the target's corners are, and in the whole tracker."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pytracking.parameter.dimp._base import dimp_lite_untrained
from pytracking.parameter.dimp.dimp_lite_untrained_ridge import parameters
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.ridge_boxes import RidgeBoxes, box_features
from tests.pytracking.tracker.dimp.test_dimp import SMALL, frame
from tests.pytracking.tracker.dimp.test_requests import alone, start, together

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
    box = target + torch.tensor(shift)
    ridge = fitted()
    is_there, *moved = ridge(ridge.learnt, [square_map(target)], box[None].numpy(), np.zeros((1, 0, 4)))[0].tolist()
    assert is_there
    assert moved == pytest.approx(target.tolist(), abs=1.5)  # pixels; a cell has 8


@pytest.mark.parametrize("kind", ["numpy", "tensor"])
def test_targets_together_move_as_their_features_say(kind: str) -> None:
    """Against the features of every box and its own regressor; two layers of other strides, and maps not square."""
    torch.manual_seed(0)
    crop_sz, targets = (144, 160), torch.tensor([[52.0, 47, 40, 50], [80, 60, 36, 45]])
    shapes = {"layer2": (3, 18, 20), "layer3": (5, 9, 10)}
    params = DiMPParams(ridge_cells={"layer3": 3, "layer2": 5}, ridge_alpha=1.0)
    layers = [{name: torch.randn(1, *shape) for name, shape in shapes.items()} for _ in targets]
    ridges = [
        RidgeBoxes.fit(own, target[None], crop_sz, params, torch.Generator().manual_seed(1))
        for own, target in zip(layers, targets, strict=True)
    ]
    boxes = (targets + torch.tensor([2.0, -3, 4, 1])).double()
    expected = []
    for ridge, own, box in zip(ridges, layers, boxes, strict=True):
        assert ridge is not None
        features = box_features(own, box[None], torch.zeros(1).long(), crop_sz, ridge.cells, ridge.context)
        expected.append(ridge.regressor.moved(ridge.regressor.motion(features), box[None]))
        assert not torch.equal(expected[-1], box[None])
    first = ridges[0]
    assert first is not None
    learnt = [torch.cat(tensors) for tensors in zip(*(ridge.learnt for ridge in ridges if ridge), strict=True)]
    joined = [torch.cat([own[name] for own in layers]) for name in params.ridge_cells]
    found = first.moved(learnt, joined, boxes if kind == "tensor" else boxes.numpy())
    # Sums of some hundred products in float32 in another order, times coefficients of a few pixels.
    torch.testing.assert_close(torch.as_tensor(found), torch.cat(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize("growth", [1.0, 1e4, torch.nan])
def test_boxes_that_grow_too_much_stay(growth: float) -> None:
    ridge, box = fitted(), torch.tensor([[50.0, 49, 40, 50]]).double()
    *factors, intercept = ridge.learnt
    learnt = [*(torch.zeros_like(each) for each in factors), intercept + torch.tensor([0.0, 0, growth, growth])]
    for values in (box, box.numpy()):
        assert torch.equal(torch.as_tensor(ridge.moved(learnt, [square_map(box[0].float())], values)), box)


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


def test_runs_together_have_the_boxes_of_runs_alone() -> None:
    params = [RIDGE, dimp_lite_untrained().replace(**SMALL), RIDGE]  # backbone layers that differ between the runs
    singles = [alone(tracker, 4) for tracker in start(params)]
    for single, batch in zip(singles, together(start(params), 4), strict=True):
        boxes = [torch.tensor([output["target_bbox"] for output in outputs]) for outputs in (batch, single)]
        torch.testing.assert_close(boxes[0], boxes[1], rtol=0, atol=0.01)  # pixels; rounding of float32 features


def test_choice_of_the_box_estimator() -> None:
    params = DiMPParams()
    assert [params.choose_box_estimator(has) for has in (True, False)] == ["iou_net", "scales"]
    assert params.replace(use_iou_net=False).choose_box_estimator(True) == "scales"
    assert params.replace(box_estimator="ridge").choose_box_estimator(True) == "ridge"
    with pytest.raises(ValueError, match="has no IoU-Net"):
        params.replace(box_estimator="iou_net").choose_box_estimator(False)
