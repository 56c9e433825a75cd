from typing import Any

import pytest
import torch
from torch import Tensor

from ltr.models.target_classifier.optimizer import BatchGradientDescent, DiMPSteepestDescentGN, RLSBatchGradientDescent
from tests.ltr.models.target_classifier.test_optimizer import DIMP, problem
from tests.shared_data import Golden, golden

SIZES = (20, 22, 24)  # samples of the three calls of case 5


def authors(loss: DiMPSteepestDescentGN, step_length: float, **changes: Any) -> RLSBatchGradientDescent:
    """RLS-BGD with the authors' virtual input."""
    return RLSBatchGradientDescent(loss, step_length, virtual_input_stride=2, **changes)


def test_bgd_is_plain_gradient_descent() -> None:
    loss, filter, feat, boxes = problem()
    weights = torch.rand(5, dtype=torch.float64)
    found, iterates, losses = BatchGradientDescent(loss, 0.05, num_iter=3)(
        filter, feat=feat, bb=boxes, sample_weight=weights
    )
    expected = filter
    objective = loss.loss(feat, boxes, 4, weights)
    for _ in range(3):
        expected = expected - 0.05 * objective.gradient(expected, objective.scores(expected))
    torch.testing.assert_close(found, expected)
    assert len(iterates) == len(losses) == 4


def test_moving_average_mixes_with_the_filter_before_the_call() -> None:
    loss, filter, feat, boxes = problem()
    plain, _, _ = BatchGradientDescent(loss, 0.05)(filter, feat=feat, bb=boxes)
    mixed, iterates, losses = BatchGradientDescent(loss, 0.05, ema_coefficient=0.3)(filter, feat=feat, bb=boxes)
    torch.testing.assert_close(mixed, 0.7 * filter + 0.3 * plain)
    torch.testing.assert_close(iterates[-2], plain)
    objective = loss.loss(feat, boxes, 4)
    torch.testing.assert_close(losses[-1], objective.value(mixed, objective.scores(mixed)))


@pytest.mark.parametrize("online", ["bgd", "rls"])
def test_norms_of_gradients_come_with_the_losses(online: str) -> None:
    loss, filter, feat, boxes = problem()
    optimizer = BatchGradientDescent(loss, 0.05) if online == "bgd" else authors(loss, 0.05, delta=0.5)
    optimizer(filter, feat=feat, bb=boxes, compute_losses=False)
    assert optimizer.gradient_norms == []
    _, iterates, _ = optimizer(filter, feat=feat, bb=boxes)
    objective = loss.loss(feat, boxes, 4)
    assert len(optimizer.gradient_norms) == 5
    for (before, after), weights, following in zip(optimizer.gradient_norms, iterates, iterates[1:], strict=False):
        torch.testing.assert_close(before, objective.gradient(weights, objective.scores(weights)).norm())
        torch.testing.assert_close(0.05 * after, (following - weights).norm())
        assert after == before if online == "bgd" else after < before / 0.5


def test_zero_iterations_leave_filter_and_inverse_alone() -> None:
    loss, filter, feat, boxes = problem()
    online = RLSBatchGradientDescent(loss, 0.05, dtype=torch.float64)
    found, _, _ = online(filter, feat=feat, bb=boxes, num_iter=0)
    assert found is filter
    assert online.P is None


def test_without_an_inverse_update_rls_is_bgd_at_one_over_delta_times_the_step() -> None:
    loss, filter, feat, boxes = problem()
    rls, _, _ = RLSBatchGradientDescent(loss, 0.01, delta=0.1, dtype=torch.float64, reset_interval=1)(
        filter, feat=feat, bb=boxes
    )
    bgd, _, _ = BatchGradientDescent(loss, 0.1)(filter, feat=feat, bb=boxes)
    torch.testing.assert_close(rls, bgd)


@pytest.mark.parametrize("estimator", ["low_rank", "dense"])
def test_inverse_is_updated_once_a_call_and_preconditions_each_step(estimator: Any) -> None:
    loss, filter, feat, boxes = problem()
    online = RLSBatchGradientDescent(loss, 0.01, num_iter=2, estimator=estimator, dtype=torch.float64)
    dense = torch.eye(64, dtype=torch.float64) / 0.1
    expected = filter
    for _ in range(3):
        found, _, _ = online(expected, feat=feat, bb=boxes)
        objective = loss.loss(feat, boxes, 4)
        slope = objective.slope(objective.scores(expected))
        patches = torch.nn.functional.unfold(feat, 4, padding=2)  # (5, 64, 100)
        x = (patches * slope.flatten(1)[:, None]).sum(dim=(0, 2)) / (5 * 100) ** 0.5
        dense = (dense.inverse() + torch.outer(x, x)).inverse()
        for _ in range(2):
            gradient = objective.gradient(expected, objective.scores(expected))
            expected = expected - 0.01 * (gradient.flatten() @ dense).reshape(expected.shape)
        torch.testing.assert_close(found, expected)


def test_reset_forgets_the_video() -> None:
    loss, filter, feat, boxes = problem()
    online = RLSBatchGradientDescent(loss, 0.01, dtype=torch.float64)
    first, _, _ = online(filter, feat=feat, bb=boxes)
    second, _, _ = online(filter, feat=feat, bb=boxes)
    online.reset()
    again, _, _ = online(filter, feat=feat, bb=boxes)
    assert not torch.equal(first, second)
    torch.testing.assert_close(again, first, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"step_length": 0.0}, "step_length"), ({"ema_coefficient": 0.0}, "ema"), ({"estimator": "sparse"}, "sparse")],
)
def test_wrong_settings_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RLSBatchGradientDescent(**{"loss": DiMPSteepestDescentGN(), "step_length": 0.1, **changes})


class ThreeCalls:
    """The three successive calls of golden case 5 for one number of channels."""

    def __init__(self, case: Golden, channels: int, dtype: torch.dtype) -> None:
        tag = "" if channels == 512 else f".c{channels}"
        self.boxes = case.boxes("c05.boxes" + tag, 24).to(dtype)
        self.feat = case.features("c05" + tag, self.boxes.float(), channels).to(dtype)
        self.start = (0.3 * case.normal("c05.w0" + tag, (1, channels, 4, 4))).to(dtype)
        self.probe = case.normal("c05.probe" + tag, (16 * channels,)).to(dtype)
        self.weights = [case[f"c{channels}_sw{i}"].to(dtype) for i in range(3)]
        self.loss = DiMPSteepestDescentGN(**DIMP).to(dtype)

    def call(self, online: BatchGradientDescent, filter: Tensor, i: int) -> tuple[Tensor, list[Tensor]]:
        n = SIZES[i]
        filter, _, losses = online(filter, feat=self.feat[:n], bb=self.boxes[:n], sample_weight=self.weights[i])
        return filter, losses


def assert_moved(filter: Tensor, expected: Tensor, start: Tensor, tolerance: float, case: Golden) -> None:
    """Tolerance relative to the movement; `start` is 0.3 times normal draws, whose error is there to its full size."""
    step = max(1, filter.shape[1] // expected.shape[1])
    moved, wanted = (f.double() - start[:, ::step].double() for f in (filter[:, ::step], expected))
    error = (moved - wanted).norm()
    assert error < tolerance * wanted.norm() + 0.3 * case.draw_error * wanted.numel() ** 0.5


@pytest.mark.parametrize("channels", [512, 64])
@pytest.mark.parametrize(("key", "step_length"), [("a003", 3e-3), ("a03", 3e-2)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_golden_rls(channels: int, key: str, step_length: float, dtype: torch.dtype, tolerance: float) -> None:
    case = golden("c05_rls_dimp.npz")
    calls = ThreeCalls(case, channels, dtype)
    online = authors(calls.loss, step_length, dtype=dtype)
    filter = calls.start
    for i in range(3):
        filter, losses = calls.call(online, filter, i)
        prefix = f"c{channels}_{key}_f64"
        assert_moved(filter, case[f"{prefix}_filter{i}"], calls.start, tolerance, case)
        expected, allowed = case[f"{prefix}_losses{i}"].double(), tolerance + case.draw_error
        torch.testing.assert_close(torch.stack(losses).double(), expected, rtol=allowed, atol=0)
        if f"{prefix}_Pprobe{i}" in case:
            expected = case[f"{prefix}_Pprobe{i}"]
            assert online.P is not None
            found = online.P.apply(calls.probe)[:: len(calls.probe) // len(expected)]
            # P is of order 1 / delta = 10, the probe of order 1: 1e-5 absolute in P
            allowed = (1e-5 * 10 if tolerance > 1e-5 else 1e-8) + 10 * case.draw_error
            torch.testing.assert_close(found.double(), expected, rtol=0, atol=allowed)


@pytest.mark.parametrize("estimator", ["low_rank", "dense"])
def test_golden_inverse_matrix(estimator: Any) -> None:
    case = golden("c05_rls_dimp.npz")
    calls = ThreeCalls(case, 64, torch.float32)
    online = authors(calls.loss, 3e-2, estimator=estimator)
    filter = calls.start
    for i in range(3):
        filter, _ = calls.call(online, filter, i)
    assert online.P is not None
    rows, columns = torch.triu_indices(1024, 1024)
    found = online.P.to_dense()[rows, columns]
    torch.testing.assert_close(found, case["c64_P_triu_f32"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", [512, 64])
@pytest.mark.parametrize(("key", "step_length"), [("a003", 3e-3), ("a03", 3e-2)])
def test_golden_bgd_and_moving_average(channels: int, key: str, step_length: float) -> None:
    case = golden("c05_rls_dimp.npz")
    calls = ThreeCalls(case, channels, torch.float64)
    prefix = f"c{channels}_{key}"
    bgd, rls = BatchGradientDescent(calls.loss, step_length), authors(calls.loss, step_length, dtype=torch.float64)
    averaged = authors(calls.loss, step_length, dtype=torch.float64, ema_coefficient=0.5)
    filter, mixed = calls.start, calls.start
    for i in range(3):
        filter, _ = calls.call(bgd, filter, i)
        mixed, _ = calls.call(averaged, mixed, i)
        # stored in float32: relative to a movement of a few percent of the filter
        assert_moved(filter, case[f"{prefix}_bgd_filter{i}"], calls.start, 1e-5, case)
        assert_moved(mixed, case[f"{prefix}_ema_filter{i}"], calls.start, 1e-5, case)
    assert rls.ema_coefficient == 1


def test_golden_reset_at_every_hundredth_call() -> None:
    case = golden("c05_rls_dimp.npz")
    tag, dtype = ".c16", torch.float64
    boxes = case.boxes("c05.boxes" + tag, 24)
    feat = case.features("c05" + tag, boxes, 16)[:6].to(dtype)
    start = (0.3 * case.normal("c05.w0" + tag, (1, 16, 4, 4))).to(dtype)
    probe = case.normal("c05.probe" + tag, (256,)).to(dtype)
    loss = DiMPSteepestDescentGN(**DIMP).to(dtype)
    online = authors(loss, 3e-3, num_iter=1, dtype=dtype, reset_interval=100)
    filter = start
    for t in range(1, 103):
        filter, _, _ = online(filter, feat=feat, bb=boxes[:6].to(dtype), sample_weight=case["c16_sw"].to(dtype))
        if f"c16_filter{t}" in case:
            assert_moved(filter, case[f"c16_filter{t}"], start, 1e-6, case)
            assert online.P is not None
            allowed = 1e-8 + 10 * case.draw_error  # P is at most 1 / delta = 10
            torch.testing.assert_close(online.P.apply(probe), case[f"c16_Pprobe{t}"], rtol=1e-6, atol=allowed)
