"""An online optimizer of one's own: a class, a function that makes it, and its name; nothing else is touched."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ltr.models.target_classifier.online import FilterLearner, LossOfSamples, OnlineDescent, Optimized
from ltr.models.target_classifier.optimizer import DiMPSteepestDescentGN
from pytracking.parameter.dimp._base import dimp_lite, rls_sd
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.online_optimizers import ONLINE_OPTIMIZERS, OnlineOptimizerParams, make_online_optimizer
from tests.pytracking.tracker.dimp.test_dimp import SMALL, frame, path


class SignDescent:
    """A toy: steps of a fixed length along the sign of the gradient."""

    def __init__(self, loss: LossOfSamples, step_length: float) -> None:
        self.loss, self.step_length = loss, step_length
        self.calls = 0

    @torch.no_grad()
    def __call__(
        self,
        weights: Tensor,
        feat: Tensor,
        bb: Tensor,
        sample_weight: Tensor | None = None,
        num_iter: int | None = None,
        compute_losses: bool = True,
    ) -> Optimized:
        self.calls += 1
        loss = self.loss.loss(feat, bb, weights.shape[-1], sample_weight)
        iterates, losses = [weights], []
        for _ in range(num_iter or 1):
            scores = loss.scores(weights)
            if compute_losses:
                losses.append(loss.value(weights, scores))
            weights = weights - self.step_length * loss.gradient(weights, scores).sign()
            iterates.append(weights)
        return weights, iterates, losses


def sign_descent(params: OnlineOptimizerParams, loss: Any) -> FilterLearner:
    return SignDescent(loss, params.online_step_length)


def test_it_runs_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ONLINE_OPTIMIZERS, "sign", sign_descent)
    schedule = {"train_skipping": 2, "net_opt_update_iter": 2}
    tracker = DiMP(dimp_lite().replace(online_optimizer="sign", online_step_length=1e-6, **schedule, **SMALL))
    tracker.initialize(frame(*path(0)), {"init_bbox": [*path(0), 40, 40]})
    before = tracker.classifier.filter
    for t in range(1, 4):
        assert tracker.track(frame(*path(t)))["flag"] == "normal"
    assert isinstance(tracker.classifier.optimizer, SignDescent)
    assert tracker.classifier.optimizer.calls == 1  # at the third frame
    change = (tracker.classifier.filter - before).abs()
    # Each of the two steps is rounded as the entries of the filter are.
    rounding = 2 * torch.finfo(change.dtype).eps * float(before.abs().max())
    torch.testing.assert_close(change, torch.full_like(change, 2e-6), rtol=0, atol=rounding)


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match="steepest_descent, bgd, rls_bgd, rls_sd"):
        DiMP(dimp_lite().replace(online_optimizer="adam", **SMALL)).initialize(
            frame(*path(0)), {"init_bbox": [*path(0), 40, 40]}
        )


@pytest.mark.parametrize("name", ["rls_bgd", "rls_sd"])
def test_every_parameter_of_p_reaches_it(name: str) -> None:
    params = OnlineOptimizerParams(
        online_optimizer=name,
        net_opt_update_iter=3,
        ema_coefficient=0.5,
        rls_delta=0.2,
        rls_beta=0.9,
        rls_estimator="dense",
        rls_dtype="bfloat16",
        rls_max_rank=7,
        rls_virtual_inputs=4,
        rls_virtual_input_stride=2,
        rls_reset_interval=100,
    )
    learner = make_online_optimizer(params, DiMPSteepestDescentGN())
    assert isinstance(learner, OnlineDescent)
    assert (learner.num_iter, learner.ema_coefficient) == (3, 0.5)
    P = learner.preconditioner
    assert P is not None
    assert (P.delta, P.beta, P.estimator, P.dtype, P.max_rank) == (0.2, 0.9, "dense", torch.bfloat16, 7)
    assert (P.virtual_inputs, P.virtual_input_stride, P.reset_interval) == (4, 2, 100)


def test_signs_of_virtual_inputs_follow_the_seed_of_the_tracker() -> None:
    def run(seed: int) -> Tensor:
        tracker = DiMP(rls_sd(dimp_lite()).replace(rls_virtual_inputs=4, train_skipping=2, **SMALL))
        tracker.seed(seed)
        tracker.initialize(frame(*path(0)), {"init_bbox": [*path(0), 40, 40]})
        assert tracker.classifier.optimizer.preconditioner._signs.initial_seed() == seed
        for t in range(1, 4):
            tracker.track(frame(*path(t)))
        P = tracker.classifier.optimizer.P
        assert P.num_updates == 4  # rows, of the update at the third frame
        return P.to_dense()

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
