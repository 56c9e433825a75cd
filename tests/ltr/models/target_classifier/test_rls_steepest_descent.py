"""RLS-DiMP with the Gauss-Newton step length, and blocks of virtual inputs, against dense float64 formulas."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from ltr.models.target_classifier.loss import FilterLoss
from ltr.models.target_classifier.online import OnlineDescent
from ltr.models.target_classifier.optimizer import RLSBatchGradientDescent, RLSSteepestDescent
from rls.virtual_input import random_signs
from tests.ltr.models.target_classifier.test_optimizer import problem

SAMPLE_WEIGHTS = torch.tensor([0.1, 0.3, 0.2, 0.0, 0.4], dtype=torch.float64)  # the fourth does not count
ROUNDING = 4 * torch.finfo(torch.float64).eps  # of a loss that two sums of the same numbers give


@dataclass
class SquaredLoss(FilterLoss):
    """D(s) = sum (u (s - y))²: quadratic, so that its Gauss-Newton model is the loss itself."""

    label: Tensor  # y (N, H', W')
    weight: Tensor  # u (N, H', W')

    def data_term(self, scores: Tensor) -> Tensor:
        return (self.weight * (scores - self.label)).square().sum()

    def score_gradient(self, scores: Tensor) -> Tensor:
        return self.weight.square() * (scores - self.label)

    def slope(self, scores: Tensor) -> Tensor:
        return self.weight

    def curvature(self, scores: Tensor, change: Tensor) -> Tensor:
        return (self.weight * change).square().sum()


class Quadratic:
    """Stands for the network's part of the loss."""

    def __init__(self, seed: int, reg: float = 1e-2, scale: float = 1.0) -> None:
        draw = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, dtype=torch.float64, generator=draw)

        self.feat = scale * normal(3, 2, 4, 4)
        self.label, self.weight, self.reg = normal(3, 5, 5), normal(3, 5, 5) / 9, torch.tensor(reg)
        self.start, self.boxes = normal(1, 2, 4, 4), torch.zeros(3, 4)

    def loss(self, feat: Tensor, bb: Tensor, filter_size: int, sample_weight: Tensor | None = None) -> SquaredLoss:
        return SquaredLoss(feat, self.reg.to(feat), sample_weight, self.label.to(feat), self.weight.to(feat))

    def run(self, learner: OnlineDescent, dtype: torch.dtype = torch.float64) -> tuple[Tensor, list[Tensor]]:
        filter, _, losses = learner(self.start.to(dtype), feat=self.feat.to(dtype), bb=self.boxes)
        return filter, losses

    def hessian(self) -> Tensor:
        """Half the second derivative of the loss, (32, 32)."""
        J = self.weight.flatten(1)[..., None] * F.unfold(self.feat, 4, padding=2).mT
        return (J.mT @ J).sum(0) + self.reg * torch.eye(J.shape[2], dtype=J.dtype)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("virtual_inputs", [1, 4])
@pytest.mark.parametrize("estimator", ["low_rank", "dense"])
@pytest.mark.parametrize("online", ["bgd", "sd"])
def test_dense_formulas(online: str, estimator: Any, virtual_inputs: int, stride: int) -> None:
    """Phi = beta Phi + X^T X once a call; d = g P; the step is eta, or <g, d> / (|J d|² + lambda |d|²)."""
    loss, filter, feat, boxes = problem()
    options: dict[str, Any] = {"delta": 0.3, "beta": 0.9, "estimator": estimator, "dtype": torch.float64}
    options |= {"virtual_inputs": virtual_inputs, "virtual_input_stride": stride}
    if online == "bgd":
        learner: OnlineDescent = RLSBatchGradientDescent(loss, 0.01, num_iter=3, **options)
    else:
        learner = RLSSteepestDescent(loss, num_iter=3, **options)
    learner.reset(seed=5)
    draw = torch.Generator().manual_seed(5)
    patches = F.unfold(feat, 4, padding=2)  # (5, 64, 100)
    Phi = 0.3 * torch.eye(64, dtype=torch.float64)
    expected = filter
    for _ in range(3):
        found, _, _ = learner(expected, feat=feat, bb=boxes, sample_weight=SAMPLE_WEIGHTS)
        terms = loss.loss(feat, boxes, 4, SAMPLE_WEIGHTS)
        f = expected.flatten()
        signs = torch.ones(virtual_inputs, 5, 10, 10, dtype=torch.float64)
        if virtual_inputs > 1:
            signs[1:] = random_signs(virtual_inputs - 1, (5, 10, 10), draw)
        scores = torch.einsum("p,npl->nl", f, patches).view(5, 10, 10)
        taken = (terms.slope(scores) * signs)[..., ::stride, ::stride].flatten(2)
        seen = patches.view(5, 64, 10, 10)[..., ::stride, ::stride].flatten(2)
        X = torch.einsum("knl,npl->kp", taken, seen) / (4 * seen.shape[2]) ** 0.5  # N = 4 samples count
        Phi = 0.9 * Phi + X.mT @ X
        for _ in range(3):
            scores = torch.einsum("p,npl->nl", f, patches).view(5, 10, 10)
            slope, residual = terms.slope(scores).flatten(1), terms._residual(scores).flatten(1)
            g = torch.einsum("nl,npl->p", slope * residual, patches) + terms.reg * f
            d = torch.linalg.solve(Phi, g)
            Jd = slope * torch.einsum("p,npl->nl", d, patches)
            step = 0.01 if online == "bgd" else g @ d / (Jd.square().sum() + terms.reg * d @ d)
            f = f - step * d
        expected = f.detach().view_as(filter)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9 * float(expected.abs().max()))


@given(st.integers(0, 2**31 - 1), st.sampled_from([1, 5]), st.sampled_from([1e-6, 1e-2, 1.0]))
def test_no_step_raises_a_quadratic_loss(seed: int, virtual_inputs: int, delta: float) -> None:
    quadratic = Quadratic(seed)
    learner = RLSSteepestDescent(quadratic, num_iter=8, delta=delta, virtual_inputs=virtual_inputs, dtype=torch.float64)
    for _ in range(2):
        _, losses = quadratic.run(learner)
        assert all(later <= earlier * (1 + ROUNDING) for earlier, later in pairwise(losses))


@given(st.integers(0, 2**31 - 1))
def test_no_step_raises_it_whatever_multiplies_the_gradient(seed: int) -> None:
    """Not even a matrix that is neither symmetric nor positive: the step is then backwards."""
    quadratic = Quadratic(seed)
    learner = RLSSteepestDescent(quadratic, num_iter=8)
    P = torch.randn(32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    learner.preconditioner.apply = lambda gradient: (gradient.flatten() @ P).view_as(gradient)  # type: ignore[method-assign]
    _, losses = quadratic.run(learner)
    assert all(later <= earlier * (1 + ROUNDING) for earlier, later in pairwise(losses))


@given(st.integers(0, 2**31 - 1), st.floats(0, 1))
def test_a_step_is_as_good_as_the_condition_of_p_and_the_curvature(seed: int, exponent: float) -> None:
    """L - L* falls by ((kappa - 1) / (kappa + 1))², kappa the condition of P^1/2 H P^1/2: to 0 at once for P = 1/H."""
    quadratic = Quadratic(seed)
    H = quadratic.hessian()
    values, vectors = torch.linalg.eigh(H)
    P = (vectors * values**-exponent) @ vectors.mT  # between I and 1/H
    learner = RLSSteepestDescent(quadratic, num_iter=1)
    learner.preconditioner.apply = lambda gradient: (gradient.flatten() @ P).view_as(gradient)  # type: ignore[method-assign]
    _, (before, after) = quadratic.run(learner)
    loss = quadratic.loss(quadratic.feat, quadratic.boxes, 4)
    g = loss.gradient(quadratic.start, loss.scores(quadratic.start)).flatten()
    least = before - g @ torch.linalg.solve(H, g)
    kappa = (values[-1] / values[0]) ** (1 - exponent)
    bound = ((kappa - 1) / (kappa + 1)) ** 2 * (before - least)
    assert after - least <= bound * (1 + 1e-9) + 1e-9 * before


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_scale_of_p_does_not_matter(scale: float) -> None:
    quadratic = Quadratic(0)
    expected, _ = quadratic.run(RLSSteepestDescent(quadratic, delta=0.1, dtype=torch.float64))
    learner = RLSSteepestDescent(quadratic, delta=0.1, dtype=torch.float64)
    plain = learner.preconditioner.apply
    learner.preconditioner.apply = lambda gradient: scale * plain(gradient)  # type: ignore[method-assign]
    found, _ = quadratic.run(learner)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("virtual_inputs", [1, 4])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.filterwarnings("ignore:P (in|was)")
def test_a_rough_p_does_no_harm(dtype: torch.dtype, virtual_inputs: int) -> None:
    quadratic = Quadratic(0)
    learner = RLSSteepestDescent(
        quadratic, 5, delta=1e-2, virtual_inputs=virtual_inputs, estimator="dense", dtype=dtype
    )
    for _ in range(5):
        quadratic.start, losses = quadratic.run(learner)
        assert all(later <= earlier * (1 + ROUNDING) for earlier, later in pairwise(losses))


def test_without_a_gradient_the_filter_stays() -> None:
    loss, filter, feat, boxes = problem()
    learner = RLSSteepestDescent(loss, dtype=torch.float64)
    with torch.no_grad():
        loss.label_map_predictor.weight.zero_()
    found, _, losses = learner(torch.zeros_like(filter), feat=feat, bb=boxes)
    assert torch.equal(found, torch.zeros_like(filter))
    assert losses == [0] * 6


def test_without_curvature_the_filter_stays() -> None:
    class Flat(SquaredLoss):
        def curvature(self, scores: Tensor, change: Tensor) -> Tensor:
            return torch.zeros(())

    quadratic = Quadratic(0, reg=0.0)
    loss = quadratic.loss(quadratic.feat, quadratic.boxes, 4)
    quadratic.loss = lambda *_: Flat(**vars(loss))  # type: ignore[method-assign]
    found, _ = quadratic.run(RLSSteepestDescent(quadratic))
    assert torch.equal(found, quadratic.start)


@pytest.mark.parametrize("size", [1e-22, 1e22])
def test_gradients_whose_squares_float32_cannot_hold(size: float) -> None:
    """Labels times c, from a filter of zero: the same problem in other units, whose filter is c times as large."""
    quadratic = Quadratic(3)
    quadratic.start.zero_()
    expected, _ = quadratic.run(RLSSteepestDescent(quadratic, num_iter=2), torch.float32)
    quadratic.label *= size
    found, _ = quadratic.run(RLSSteepestDescent(quadratic, num_iter=2), torch.float32)
    torch.testing.assert_close(found / size, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("online", ["bgd", "sd"])
def test_signs_come_from_the_seed(online: str) -> None:
    loss, filter, feat, boxes = problem()

    def run(virtual_inputs: int, seed: int | None = None) -> Tensor:
        options: dict[str, Any] = {"virtual_inputs": virtual_inputs, "dtype": torch.float64}
        learner = RLSSteepestDescent(loss, **options)
        if online == "bgd":
            learner = RLSBatchGradientDescent(loss, 0.01, **options)  # type: ignore[assignment]
        if seed is not None:
            torch.manual_seed(seed)  # has no say
            learner.reset(seed)
        once, _, _ = learner(filter, feat=feat, bb=boxes)
        twice, _, _ = learner(once, feat=feat, bb=boxes)
        return twice

    assert torch.equal(run(3), run(3, 0))
    assert torch.equal(run(3, 7), run(3, 7))
    assert not torch.equal(run(3, 7), run(3, 8))
    assert torch.equal(run(1, 7), run(1, 8))


def test_a_block_leaves_less_of_a_gradient_than_its_first_row() -> None:
    """Phi of k rows is that of the virtual input and more: P is smaller for it, never larger."""
    loss, filter, feat, boxes = problem()
    one, many = (RLSSteepestDescent(loss, delta=1e-3, virtual_inputs=k, dtype=torch.float64) for k in (1, 8))
    for learner in (one, many):
        learner(filter, feat=feat, bb=boxes)
    assert one.P is not None
    assert many.P is not None
    gap = torch.linalg.eigvalsh(one.P.to_dense() - many.P.to_dense())
    assert gap[0] > -1e-9 * gap[-1]
    assert gap[-1] > 0


@pytest.mark.parametrize("k", [0, -1])
def test_there_is_a_virtual_input(k: int) -> None:
    with pytest.raises(ValueError, match="virtual_inputs"):
        RLSSteepestDescent(Quadratic(0), virtual_inputs=k)
