import itertools

import pytest
import torch
from torch import Tensor

from ltr.models.layers.filter import apply_filter
from ltr.models.target_classifier.optimizer import DiMPSteepestDescentGN
from tests.shared_data import golden

DIMP = {
    "init_step_length": 0.9,
    "init_filter_reg": 0.1,
    "init_gauss_sigma": 0.9,
    "num_dist_bins": 100,
    "bin_displacement": 0.1,
    "mask_init_factor": 3.0,
}


def relative_to_max(found: Tensor, expected: Tensor) -> float:
    return float((found.detach().double() - expected.double()).abs().max() / expected.abs().max())


def problem() -> tuple[DiMPSteepestDescentGN, Tensor, Tensor, Tensor]:
    optimizer = DiMPSteepestDescentGN(**DIMP).double()
    feat = torch.randn(5, 4, 9, 9, dtype=torch.float64) / 8
    boxes = torch.tensor([[40.0, 50.0, 40.0, 30.0]], dtype=torch.float64) + 10 * torch.rand(5, 4, dtype=torch.float64)
    return optimizer, 0.1 * torch.randn(1, 4, 4, 4, dtype=torch.float64), feat, boxes


def test_gradient_is_half_the_derivative_of_the_loss() -> None:
    optimizer, filter, feat, boxes = problem()
    loss = optimizer.loss(feat, boxes, 4, torch.rand(5, dtype=torch.float64))
    filter.requires_grad_(True)
    (twice,) = torch.autograd.grad(loss.value(filter, loss.scores(filter)), filter)
    torch.testing.assert_close(2 * loss.gradient(filter, loss.scores(filter)), twice)


def test_losses_fall_and_belong_to_the_iterates() -> None:
    optimizer, filter, feat, boxes = problem()
    final, iterates, losses = optimizer(filter, feat=feat, bb=boxes, num_iter=6)
    assert len(iterates) == len(losses) == 7
    assert final is iterates[-1]
    assert all(later < earlier for earlier, later in itertools.pairwise(losses))
    loss = optimizer.loss(feat, boxes, 4)
    for iterate, value in zip(iterates, losses, strict=True):
        torch.testing.assert_close(loss.value(iterate, loss.scores(iterate)), value)


def test_step_is_the_minimum_of_the_gauss_newton_model() -> None:
    optimizer, filter, feat, boxes = problem()
    with torch.no_grad():
        optimizer.log_step_length.zero_()
    _, iterates, _ = optimizer(filter, feat=feat, bb=boxes, num_iter=1)
    loss = optimizer.loss(feat, boxes, 4)
    scores = loss.scores(filter)
    gradient = loss.gradient(filter, scores)
    along = loss.slope(scores) * loss.scores(gradient)

    def model(step: Tensor) -> Tensor:
        residual = loss._residual(scores) - step * along
        return residual.square().sum() + loss.reg * (filter - step * gradient).square().sum()

    taken = ((filter - iterates[1]) * gradient).sum() / gradient.square().sum()
    assert model(taken) < model(taken * 1.01)
    assert model(taken) < model(taken * 0.99)


@pytest.mark.parametrize("num_iter", [1, 3])
def test_derivatives_of_the_unrolled_iterations(num_iter: int) -> None:
    """Offline training differentiates through them: features, first filter, step, regularization and the three maps."""
    optimizer = DiMPSteepestDescentGN(
        init_step_length=0.9, init_filter_reg=0.1, init_gauss_sigma=0.9, num_dist_bins=5, bin_displacement=1.0
    ).double()
    with torch.no_grad():
        optimizer.spatial_weight_predictor.weight.uniform_(0.5, 1.5)
    feat = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    start = (0.1 * torch.randn(1, 2, 2, 2, dtype=torch.float64)).requires_grad_(True)
    boxes = torch.tensor([[20.0, 24, 20, 14], [22, 18, 26, 30]], dtype=torch.float64)
    names = [name for name, _ in optimizer.named_parameters()]

    def scores(start: torch.Tensor, feat: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        learnt = dict(zip(names, values, strict=True))
        filter, _, _ = torch.func.functional_call(
            optimizer, learnt, (start,), {"feat": feat, "bb": boxes, "num_iter": num_iter, "compute_losses": False}
        )
        return apply_filter(feat, filter)

    assert len(names) == 5
    assert torch.autograd.gradcheck(scores, (start, feat, *optimizer.parameters()))


def test_empty_memory_slots_change_nothing() -> None:
    optimizer, filter, feat, boxes = problem()
    weights = torch.rand(5, dtype=torch.float64)
    expected, _, _ = optimizer(filter, feat=feat, bb=boxes, sample_weight=weights, num_iter=3)
    padded, _, _ = optimizer(
        filter,
        feat=torch.cat((feat, torch.zeros_like(feat))),
        bb=torch.cat((boxes, torch.zeros_like(boxes))),
        sample_weight=torch.cat((weights, torch.zeros_like(weights))),
        num_iter=3,
    )
    torch.testing.assert_close(padded, expected)


def test_unknown_activation_is_named() -> None:
    with pytest.raises(ValueError, match="bentpar"):
        DiMPSteepestDescentGN(score_act="bentpar")


@pytest.mark.parametrize("suffix", ["", "_rnd"])
def test_golden_maps(suffix: str) -> None:
    case = golden("c04_steepest_descent.npz")
    optimizer = DiMPSteepestDescentGN(**DIMP)
    if suffix:
        with torch.no_grad():
            optimizer.label_map_predictor.weight.copy_(case.normal("c04.lw", (1, 100, 1, 1)))
            optimizer.target_mask_predictor[0].weight.copy_(case.normal("c04.mw", (1, 100, 1, 1)))
            optimizer.spatial_weight_predictor.weight.copy_(case.normal("c04.vw", (1, 100, 1, 1)))
    boxes = case["map_boxes"].float()
    loss = optimizer.loss(torch.zeros(len(boxes), 1, 18, 18), boxes, 4, torch.ones(len(boxes)))
    for name, found in (("label", loss.label), ("mask", loss.mask), ("spatial", loss.weight)):
        assert relative_to_max(found, case[name + suffix]) < 1e-4


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_golden_steepest_descent(dtype: torch.dtype, tolerance: float) -> None:
    case = golden("c04_steepest_descent.npz")
    optimizer = DiMPSteepestDescentGN(**DIMP).to(dtype)
    suffix = "" if dtype == torch.float32 else "_f64"
    boxes = case.boxes("c04.boxes", 15)
    feat = case.features("c04", boxes, 512).to(dtype)
    start = (0.05 * case.normal("c04.w0", (1, 512, 4, 4))).to(dtype)

    filter, iterates, losses = optimizer(start, feat=feat, bb=boxes.to(dtype), num_iter=10)
    assert relative_to_max(torch.stack(losses), case["init_losses" + suffix]) < tolerance
    assert relative_to_max(iterates[1][:, ::4], case["init_iter1" + suffix]) < tolerance
    assert relative_to_max(iterates[5][:, ::8], case["init_iter5" + suffix]) < tolerance
    assert relative_to_max(filter[:, ::4], case["init_filter_f64"]) < tolerance

    boxes = case.boxes("c04.membox", 20)
    feat = case.features("c04.mem", boxes, 512).to(dtype)
    filter, iterates, losses = optimizer(
        start, feat=feat, bb=boxes.to(dtype), sample_weight=case["mem_weights"].to(dtype), num_iter=2
    )
    assert relative_to_max(torch.stack(losses), case["online_losses" + suffix]) < tolerance
    assert relative_to_max(iterates[1][:, ::4], case["online_iter1" + suffix]) < tolerance
    assert relative_to_max(filter[:, ::4], case["online_filter_f64"]) < tolerance


def test_golden_descent_from_a_zero_filter() -> None:
    case = golden("c04_steepest_descent.npz")
    boxes = case.boxes("c04.boxes", 15)
    feat = case.features("c04", boxes, 512)
    optimizer = DiMPSteepestDescentGN(**DIMP)
    filter, _, losses = optimizer(torch.zeros(1, 512, 4, 4), feat=feat[:1], bb=boxes[:1], num_iter=3)
    assert relative_to_max(filter[:, ::4], case["zero_filter"]) < 1e-4
    assert relative_to_max(torch.stack(losses), case["zero_losses"]) < 1e-4
