"""Ridge regression against golden vectors and its own definition."""

import numpy as np
import pytest
import torch

from ltr.common.boxes import area_ratio, overlap, within
from pytracking.tracker.base.box_regression import BoxRegressor, moved_boxes, regression_targets, ridge
from tests.shared_data import golden


def test_golden_vectors() -> None:
    case = golden("c10_rtmdnet.npz")
    boxes, target = case["bbreg_boxes"], case["bbreg_gt"]
    image = tuple(case["bbreg_img"].tolist()[::-1])
    pair = boxes.numpy(), target.numpy()
    used = within(overlap(*pair), (0.6, 1.0)) & within(area_ratio(*pair), (1.0, 2.0))
    np.testing.assert_array_equal(used, case["bbreg_selected"])
    regressor = BoxRegressor.fit(case["bbreg_X"], boxes, target, 1000.0)
    assert regressor is not None
    torch.testing.assert_close(regressor.coefficients, case["bbreg_coef"], rtol=0, atol=1e-6)
    torch.testing.assert_close(regressor.intercept, case["bbreg_intercept"], rtol=0, atol=1e-6)
    motion = regressor.motion(case["bbreg_Xp"]).numpy()
    found = regressor.predict(motion, case["bbreg_boxes_p"].numpy(), image)
    np.testing.assert_allclose(found, case["bbreg_pred"], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("n", "dim"), [(30, 12), (12, 30)])
def test_ridge_solves_the_normal_equations(n: int, dim: int) -> None:
    X, Y = torch.randn(n, dim).double(), torch.randn(n, 3).double()
    coefficients = ridge(X, Y, 0.7)
    gradient = X.mT @ (X @ coefficients.mT - Y) + 0.7 * coefficients.mT
    assert gradient.abs().max() < 1e-10


def test_targets_move_a_box_onto_the_target() -> None:
    boxes = torch.tensor([[10.0, 20, 30, 40], [5, 5, 80, 20]]).double()
    target = torch.tensor([12.0, 18, 36, 30]).double()
    moved = moved_boxes(boxes.numpy(), regression_targets(boxes, target).numpy())
    np.testing.assert_allclose(moved, target.expand(2, 4), rtol=1e-12)


def test_boxes_of_several_images_have_their_own_targets() -> None:
    torch.manual_seed(0)
    targets = torch.tensor([[12.0, 18, 36, 30], [40, 60, 20, 25]]).double().repeat_interleave(20, dim=0)
    boxes = targets * (1 + 0.05 * torch.rand(40, 4).double())
    motion = regression_targets(boxes, targets)
    np.testing.assert_allclose(moved_boxes(boxes.numpy(), motion.numpy()), targets, rtol=1e-12)
    regressor = BoxRegressor.fit(motion, boxes, targets, 1e-9, area_range=(0.5, 2.0))  # features that tell the motion
    assert regressor is not None
    moved = regressor.moved(regressor.motion(motion).numpy(), boxes.numpy())
    np.testing.assert_allclose(moved, targets, rtol=0, atol=1e-5)


def test_no_usable_boxes_give_no_regressor() -> None:
    boxes, target = torch.tensor([[0.0, 0, 5, 5]]).double(), torch.tensor([50.0, 50, 20, 20]).double()
    assert BoxRegressor.fit(torch.randn(1, 4), boxes, target, 1.0) is None
    assert BoxRegressor.fit(torch.zeros(0, 4), torch.zeros(0, 4).double(), target, 1.0) is None


def test_results_out_of_the_ranges_are_not_believed() -> None:
    far = BoxRegressor(torch.zeros(4, 2).double(), torch.tensor([0.0, 0.0, 1.0, 1.0]).double())
    boxes = np.array([[10.0, 10, 20, 20]])
    np.testing.assert_array_equal(far.predict(far.motion(torch.zeros(1, 2)).numpy(), boxes, (100, 100)), boxes)
    near = BoxRegressor(torch.zeros(4, 2).double(), torch.tensor([0.0, 0.0, -0.1, -0.1]).double())
    assert near.predict(near.motion(torch.zeros(1, 2)).numpy(), boxes, (100, 100))[0, 2] < 20
