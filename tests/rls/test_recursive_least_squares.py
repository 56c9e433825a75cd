"""The estimator against the batch solution of the normal equations."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rls import RecursiveLeastSquares, oracle
from tests.rls.streams import drifting, independent

forms = pytest.mark.parametrize("form", ["dense", "low_rank"])


@forms
@pytest.mark.parametrize("beta", [1.0, 0.95, 0.8])
@pytest.mark.parametrize(("in_features", "out_features", "delta"), [(1, 1, 0.1), (6, 2, 1.0), (20, 3, 0.05)])
def test_solves_the_normal_equations_at_every_step(
    form: str, beta: float, in_features: int, out_features: int, delta: float
) -> None:
    inputs = drifting(60, in_features, step=0.3).double()
    targets = independent(60, out_features, seed=1).double()
    estimator = RecursiveLeastSquares(in_features, out_features, delta, beta, form)
    assert torch.equal(estimator.weight, torch.zeros(out_features, in_features, dtype=torch.float64))
    for count, (x, y) in enumerate(zip(inputs, targets, strict=True), start=1):
        estimator.update(x, y)
        expected = oracle.normal_equations(inputs[:count], targets[:count], delta, beta)
        # float64 rounding, 1e-16, times the condition number of Φ, up to 1e5 here (1e8 when β = 0.8 has faded δ)
        error = torch.linalg.matrix_norm(estimator.weight - expected) / torch.linalg.matrix_norm(expected)
        assert error <= (1e-7 if beta == 0.8 else 1e-9)


@forms
def test_float32_comes_close(form: str) -> None:
    inputs, targets = independent(80, 12), independent(80, 2, seed=1)
    estimator = RecursiveLeastSquares(12, 2, 0.5, 0.98, form, dtype=torch.float32)
    estimator.update(inputs, targets)
    assert estimator.weight.dtype == torch.float32
    expected = oracle.normal_equations(inputs, targets, 0.5, 0.98)
    torch.testing.assert_close(estimator.weight.double(), expected, rtol=0, atol=1e-5)  # eps × condition number 30


@given(
    st.sampled_from(["dense", "low_rank"]),
    st.sampled_from([1.0, 0.9, 0.5]),
    st.integers(1, 8),
    st.lists(st.integers(0, 6), min_size=1, max_size=6),
    st.integers(0, 2**31 - 1),
)
def test_blocks_equal_the_sequence_of_their_rows(
    form: str, beta: float, in_features: int, sizes: list[int], seed: int
) -> None:
    inputs = drifting(sum(sizes), in_features, step=0.5, seed=seed) if sum(sizes) else torch.zeros(0, in_features)
    targets = independent(sum(sizes), 2, seed + 1)
    single = RecursiveLeastSquares(in_features, 2, 0.2, beta, form)
    blocks = RecursiveLeastSquares(in_features, 2, 0.2, beta, form)
    for x, y in zip(inputs, targets, strict=True):
        single.update(x, y)
    for x, y in zip(inputs.split(sizes), targets.split(sizes), strict=True):
        blocks.update(x, y)
    scale = single.inverse_correlation.scale
    assert (single.weight - blocks.weight).abs().max() <= 1e-13 * scale * (1 + len(inputs)) * (1 + in_features)


@forms
def test_blocks_equal_their_rows_across_renewals_of_the_ridge(form: str) -> None:
    inputs, targets = drifting(120, 4, step=0.5), independent(120, 2, seed=1)
    single = RecursiveLeastSquares(4, 2, 0.2, 0.7, form, dtype=torch.float32)
    block = RecursiveLeastSquares(4, 2, 0.2, 0.7, form, dtype=torch.float32)
    for x, y in zip(inputs, targets, strict=True):
        single.update(x, y)
    block.update(inputs, targets)
    torch.testing.assert_close(single.weight, block.weight, rtol=1e-3, atol=1e-3)  # half of float32's digits


@forms
def test_regularizer_pulls_to_the_given_weight(form: str) -> None:
    prior = independent(3, 5).double()
    inputs, targets = independent(4, 5, seed=1).double(), independent(4, 3, seed=2).double()
    estimator = RecursiveLeastSquares(5, 3, 2.0, 0.9, form, weight=prior)
    assert torch.equal(estimator.weight, prior)
    estimator.update(inputs, targets)
    torch.testing.assert_close(estimator.weight, oracle.normal_equations(inputs, targets, 2.0, 0.9, prior))
    assert not torch.equal(estimator.weight, prior)


@forms
def test_recovers_a_linear_map(form: str) -> None:
    weight, delta = independent(2, 6).double(), 1e-8
    inputs = independent(50, 6, seed=1).double()
    estimator = RecursiveLeastSquares(6, 2, delta, estimator=form)
    estimator.update(inputs, inputs @ weight.mT)
    # The first updates round: Φ there has eigenvalues from δ to |x|². δ biases by δ/λ_min, only 1e-9.
    condition = inputs.square().sum(dim=1).max() / delta
    tolerance = torch.finfo(torch.float64).eps * condition * torch.linalg.matrix_norm(weight, 2)  # 1.3e-6
    torch.testing.assert_close(estimator.weight, weight, rtol=0, atol=float(tolerance))


@forms
def test_state_dict_round_trip(form: str) -> None:
    inputs, targets = independent(20, 4), independent(20, 2, seed=1)
    first, second = (RecursiveLeastSquares(4, 2, 0.1, 0.9, form) for _ in range(2))
    first.update(inputs[:10], targets[:10])
    second.load_state_dict(first.state_dict())
    for estimator in (first, second):
        estimator.update(inputs[10:], targets[10:])
    assert torch.equal(first.weight, second.weight)
    with pytest.raises(ValueError, match=r"expected weight as \(2, 5\), got \(2, 4\)"):
        RecursiveLeastSquares(5, 2, 0.1, 0.9, form).load_state_dict(first.state_dict())


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="out_features to be an integer of at least 1"):
        RecursiveLeastSquares(3, 0, 0.1)
    with pytest.raises(ValueError, match="delta to be positive"):
        RecursiveLeastSquares(3, 1, 0.0)
    with pytest.raises(ValueError, match="estimator to be one of"):
        RecursiveLeastSquares(3, 1, 0.1, estimator="sparse")
    with pytest.raises(ValueError, match=r"expected weight as \(1, 3\), got \(3, 1\)"):
        RecursiveLeastSquares(3, 1, 0.1, weight=torch.zeros(3, 1))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(4), torch.zeros(2), "expected x as"),
        (torch.zeros(3), torch.zeros(3), "expected y as"),
        (torch.zeros(2, 3), torch.zeros(3, 2), r"expected as many targets as inputs \(2, 3\), got \(3, 2\)"),
        (torch.zeros(3), torch.zeros(1, 2), "expected as many targets"),
        (torch.zeros(3), torch.tensor([0.0, math.nan]), "finite numbers in y"),
        (torch.full((3,), math.inf), torch.zeros(2), "finite numbers in x"),
    ],
)
def test_bad_samples_leave_the_estimator_alone(x: torch.Tensor, y: torch.Tensor, message: str) -> None:
    estimator = RecursiveLeastSquares(3, 2, 0.1)
    estimator.update(torch.ones(3), torch.ones(2))
    before = estimator.state_dict()
    with pytest.raises(ValueError, match=message):
        estimator.update(x, y)
    assert torch.equal(estimator.weight, before["weight"])
    assert estimator.inverse_correlation.num_updates == 1
