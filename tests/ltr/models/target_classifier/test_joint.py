"""Filters that are updated together against filters that are updated one by one."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ltr.models.target_classifier.joint import FilterOptimizer, FilterUpdate, update_together
from ltr.models.target_classifier.online import BatchGradientDescent, RLSBatchGradientDescent
from ltr.models.target_classifier.optimizer import DiMPSteepestDescentGN
from tests.rls.no_reads import fake_cuda

DESCENT = DiMPSteepestDescentGN(feat_stride=16, init_filter_reg=0.1, num_dist_bins=10, bin_displacement=0.5)
MAKERS: dict[str, Callable[[], FilterOptimizer]] = {
    "steepest_descent": lambda: DESCENT,
    "bgd": lambda: BatchGradientDescent(DESCENT, 0.01),
    "ema": lambda: BatchGradientDescent(DESCENT, 0.01, ema_coefficient=0.5),
    "rls": lambda: RLSBatchGradientDescent(DESCENT, 0.01),
    "rls_dense": lambda: RLSBatchGradientDescent(DESCENT, 0.01, estimator="dense", beta=0.99, reset_interval=2),
}


def make_updates(make: Callable[[], FilterOptimizer]) -> list[FilterUpdate]:
    """Three targets with 4, 6 and 6 samples, in float64."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    updates = []
    for count in (4, 6, 6):
        boxes = torch.cat((20 + 20 * random(count, 2), 15 + 20 * random(count, 2)), dim=1)
        weights = random(count)
        features = random(count, 3, 5, 6) - 0.5
        updates.append(FilterUpdate(make(), random(1, 3, 4, 4), features, boxes, weights / weights.sum()))
    return updates


@pytest.fixture(autouse=True)
def double() -> None:
    DESCENT.double()


@torch.no_grad()
def one_by_one(updates: list[FilterUpdate], num_iter: int) -> list[Tensor]:
    return [
        u.optimizer(u.weights, feat=u.feat, bb=u.bb, sample_weight=u.sample_weight, num_iter=num_iter)[0]
        for u in updates
    ]


@pytest.mark.parametrize("name", MAKERS)
def test_filters_are_those_of_single_updates(name: str) -> None:
    """Twice, because P remembers the first time. P is kept in float32, with which the rounding of the rest is mixed."""
    together, single = make_updates(MAKERS[name]), make_updates(MAKERS[name])
    assert len({update.kind() for update in together}) == 1
    for _ in range(2):
        expected = one_by_one(single, 3)
        with torch.no_grad():
            found = update_together(together, 3)
        for got, want, update in zip(found, expected, single, strict=True):
            assert isinstance(got, Tensor)
            change = float((want - update.weights).abs().max())
            torch.testing.assert_close(got, want, rtol=0, atol=(1e-4 if "rls" in name else 1e-10) * change)


def test_what_differs_is_another_kind() -> None:
    update = make_updates(MAKERS["bgd"])[0]
    others = [
        BatchGradientDescent(DESCENT, 0.02),
        BatchGradientDescent(DESCENT, 0.01, ema_coefficient=0.5),
        BatchGradientDescent(copy.deepcopy(DESCENT), 0.01),
        RLSBatchGradientDescent(DESCENT, 0.01),
        DESCENT,
    ]
    kinds = {FilterUpdate(o, update.weights, update.feat, update.bb, update.sample_weight).kind() for o in others}
    assert len(kinds | {update.kind()}) == len(others) + 1


@torch.no_grad()
def test_an_error_concerns_one_filter() -> None:
    updates = make_updates(MAKERS["rls"])
    updates[1].feat[:] = torch.inf
    expected = one_by_one([make_updates(MAKERS["rls"])[place] for place in (0, 2)], 2)
    found = update_together(updates, 2)
    assert isinstance(found[1], ValueError)
    for got, want in zip((found[0], found[2]), expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_is_read_from_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_cuda(monkeypatch), torch.device("cuda"), torch.inference_mode():
        loss = DiMPSteepestDescentGN(num_dist_bins=10)
        monkeypatch.setitem(globals(), "DESCENT", loss)
        optimizers = [MAKERS[name]() for _ in range(3)]
        weights = [torch.rand(1, 3, 4, 4) for _ in optimizers]
        for _ in range(3):
            updates = [
                FilterUpdate(optimizer, filter, torch.rand(count, 3, 5, 6), torch.rand(count, 4), torch.rand(count))
                for optimizer, filter, count in zip(optimizers, weights, (4, 6, 6), strict=True)
            ]
            weights = [filter for filter in update_together(updates, 2) if isinstance(filter, Tensor)]
            assert len(weights) == 3
