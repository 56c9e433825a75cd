"""Updates that do harm are undone, whoever made them."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ltr.models.target_classifier.guard import UpdateGuard
from ltr.models.target_classifier.online import FilterLearner
from ltr.models.target_classifier.optimizer import (
    BatchGradientDescent,
    DiMPSteepestDescentGN,
    RLSBatchGradientDescent,
    RLSSteepestDescent,
)
from tests.ltr.models.target_classifier.test_kl_loss import problem as kl_problem
from tests.ltr.models.target_classifier.test_optimizer import problem

HUGE = 1e3  # a step length that diverges


def make(kind: str, loss: DiMPSteepestDescentGN, is_harmful: bool) -> FilterLearner:
    """A learner of the family."""
    step = HUGE if is_harmful else 1e-2
    options: dict[str, Any] = {"dtype": torch.float64}
    if kind == "network":
        loss.log_step_length.data.fill_(math.log(HUGE if is_harmful else 0.9))
        return loss
    if kind == "rls_sd":
        return RLSSteepestDescent(loss, **options)
    if kind == "rls_bgd":
        return RLSBatchGradientDescent(loss, step, **options)
    return BatchGradientDescent(loss, step, ema_coefficient=0.5 if kind == "ema" else 1.0)


@pytest.mark.parametrize("kind", ["network", "bgd", "ema", "rls_bgd"])
def test_an_update_that_raises_the_loss_is_undone(kind: str) -> None:
    loss, filter, feat, boxes = problem()
    weights = torch.rand(5, dtype=torch.float64)
    guard = UpdateGuard(loss)
    found, _, losses = guard(make(kind, loss, is_harmful=True), filter, feat, boxes, weights, 3)
    assert guard.num_rejected == 1
    assert torch.equal(found, filter)
    objective = loss.loss(feat, boxes, 4, weights)
    assert guard.last[0] == pytest.approx(objective.value(filter, objective.scores(filter)).item())
    assert guard.last[1] == float(losses[-1]) > guard.last[0]


@pytest.mark.parametrize("kind", ["network", "bgd", "ema", "rls_bgd", "rls_sd"])
def test_an_update_that_lowers_the_loss_is_what_it_is_without_the_guard(kind: str) -> None:
    loss, filter, feat, boxes = problem()
    guard = UpdateGuard(loss)
    found, _, _ = guard(make(kind, loss, is_harmful=False), filter, feat, boxes, None, 3)
    alone, _, _ = make(kind, loss, is_harmful=False)(filter, feat=feat, bb=boxes, num_iter=3, compute_losses=False)
    assert guard.num_rejected == 0
    assert torch.equal(found, alone)
    assert guard.last[1] < guard.last[0]


class Stranger:
    """A learner of somebody else: says nothing of its losses, or the wrong thing."""

    def __init__(self, factor: float, says: list[float], in_place: bool = False) -> None:
        self.factor, self.says, self.in_place = factor, says, in_place

    def __call__(self, weights: Tensor, feat: Tensor, bb: Tensor, **_: Any) -> Any:
        changed = weights.mul_(self.factor) if self.in_place else weights * self.factor
        return changed, [], [torch.tensor(value) for value in self.says]


@pytest.mark.parametrize("says", [[], [2.0, 1.0]], ids=["silent", "lies"])
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("factor", [1e3, math.inf, math.nan, -math.inf])
def test_learners_of_others_are_measured(factor: float, in_place: bool, says: list[float]) -> None:
    loss, filter, feat, boxes = problem()
    before = filter.clone()
    guard = UpdateGuard(loss)
    found, _, _ = guard(Stranger(factor, says, in_place), filter, feat, boxes)
    assert guard.num_rejected == 1
    assert torch.equal(found, before)


def test_a_subclass_with_a_loop_of_its_own_is_measured() -> None:
    class Other(BatchGradientDescent):
        def __call__(self, weights: Tensor, **_: Any) -> Any:
            return weights * HUGE, [], []

    loss, filter, feat, boxes = problem()
    guard = UpdateGuard(loss)
    found, _, _ = guard(Other(loss, 1.0), filter, feat, boxes)
    assert guard.num_rejected == 1
    assert torch.equal(found, filter)


def test_a_better_filter_of_others_is_taken() -> None:
    loss, filter, feat, boxes = problem()
    guard = UpdateGuard(loss)
    better, _, _ = loss(filter, feat=feat, bb=boxes, num_iter=2)
    found, _, _ = guard(lambda weights, **_: (better, [], []), filter, feat, boxes)
    assert guard.num_rejected == 0
    assert found is better
    back, _, _ = guard(lambda weights, **_: (filter, [], []), filter * math.nan, feat, boxes)
    assert back is filter  # whatever it comes from


def test_p_keeps_the_inputs_of_an_update_that_is_undone() -> None:
    loss, filter, feat, boxes = problem()
    harmful, harmless = (RLSBatchGradientDescent(loss, step, dtype=torch.float64) for step in (HUGE, 1e-6))
    guard = UpdateGuard(loss)
    for learner in (harmful, harmless):
        guard(learner, filter, feat, boxes)
    assert guard.num_rejected == 1
    assert harmful.P is not None
    assert harmless.P is not None
    assert torch.equal(harmful.P.to_dense(), harmless.P.to_dense())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rise_that_is_rounding_is_none(dtype: torch.dtype) -> None:
    """At the minimum every further update only stirs the last digits."""
    loss, filter, feat, boxes = (value.to(dtype) for value in problem())
    filter, _, _ = loss(filter, feat=feat, bb=boxes, num_iter=400)
    guard, rose = UpdateGuard(loss), 0
    for learner in (loss, RLSSteepestDescent(loss, dtype=dtype), BatchGradientDescent(loss, 1e-3)):
        for _ in range(20):
            filter, _, _ = guard(learner, filter, feat, boxes, None, 1)
            rose += guard.last[1] > guard.last[0]
    assert guard.num_rejected == 0
    assert rose > 0  # there was something to tolerate


def test_a_rise_beyond_rounding_is_one() -> None:
    loss, filter, feat, boxes = problem()
    filter, _, _ = loss(filter, feat=feat, bb=boxes, num_iter=400)
    guard = UpdateGuard(loss)
    objective = loss.loss(feat, boxes, 4)
    least = objective.value(filter, objective.scores(filter))
    scores = objective.scores(filter)
    growth = least / (objective.curvature(scores, scores) + objective.reg * filter.square().sum())  # of the filter
    for relative, num_rejected in ((1e-9, 0), (1e-6, 1)):  # the rounding of sums is 1e-16 of them, the bound 1.5e-8
        worse = filter * (1 + (relative * growth).sqrt())
        guard(lambda weights, worse=worse, **_: (worse, [], []), filter, feat, boxes)
        assert guard.last[1] == pytest.approx(guard.last[0] * (1 + relative), rel=relative / 2)
        assert guard.num_rejected == num_rejected


@pytest.mark.parametrize("kind", ["network", "rls_sd", "bgd"])
def test_what_descent_lowers_is_judged(kind: str) -> None:
    """PrDiMP's losses count the weight decay twice: near the minimum they rise while what is lowered falls."""
    loss, filter, feat, boxes = kl_problem()
    filter, _, _ = loss(filter, feat=feat, bb=boxes, num_iter=200, compute_losses=False)
    learners: dict[str, FilterLearner] = {
        "network": loss,
        "rls_sd": RLSSteepestDescent(loss, dtype=torch.float64),
        "bgd": BatchGradientDescent(loss, 1.0),
    }
    start = 0.9 * filter  # the way back to the minimum makes the filter longer
    guard = UpdateGuard(loss)
    found, _, losses = guard(learners[kind], start, feat, boxes, None, 2)
    assert losses[-1] > losses[0]
    assert guard.last[1] < guard.last[0]
    assert guard.num_rejected == 0
    assert not torch.equal(found, start)


@pytest.mark.parametrize("online", [BatchGradientDescent, RLSBatchGradientDescent])
def test_updates_on_a_divergence_are_undone(online: type[BatchGradientDescent]) -> None:
    loss, filter, feat, boxes = kl_problem()
    guard = UpdateGuard(loss)
    found, _, _ = guard(online(loss, HUGE), filter, feat, boxes)
    assert guard.num_rejected == 1
    assert torch.equal(found, filter)


@pytest.mark.parametrize("virtual_inputs", [1, 4])
def test_rls_steepest_descent_lowers_a_divergence(virtual_inputs: int) -> None:
    loss, filter, feat, boxes = kl_problem()
    guard = UpdateGuard(loss)
    learner = RLSSteepestDescent(loss, virtual_inputs=virtual_inputs, dtype=torch.float64)
    values = []
    for _ in range(10):
        filter, _, _ = guard(learner, filter, feat, boxes)
        values.append(guard.last)
    assert guard.num_rejected == 0
    assert all(after <= before * (1 + 1e-12) for before, after in values)  # but for rounding
