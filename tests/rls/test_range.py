"""Inputs of any length: xᵀPx stays below 1, P knows what it knows, and what is done about it is said."""

import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rls import LowRankInverseCorrelation, RecursiveLeastSquares, oracle
from rls.base import (
    FLOAT64_ERROR,
    InverseCorrelation,
    LongInputWarning,
    PositiveDefinitenessError,
    PositiveDefinitenessWarning,
)
from rls.inverse_correlation import make_inverse_correlation
from tests.rls.streams import drifting, independent

forms = pytest.mark.parametrize("form", ["dense", "low_rank"])
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def make(
    form: str,
    dim: int,
    delta: float = 1.0,
    beta: float = 1.0,
    dtype: torch.dtype = torch.float32,
    max_rank: int | None = None,
) -> InverseCorrelation:
    return make_inverse_correlation(form, dim, delta, beta, max_rank, dtype, None)


def square(P: InverseCorrelation, x: Tensor) -> float:
    return float((P.apply(x).double() * x.double()).sum())


def widened(P: InverseCorrelation) -> bool:
    return P.state_dict()["widened"]


def allowed_excess(P: InverseCorrelation) -> float:
    """Of xᵀPx over 1.

    u s of float64 is at most 2⁻¹² at the bound, and four times that while δ_n fades with β < 1; narrower types leave
    √u at theirs with β < 1, and u with β = 1. Rounding in some steps of the update adds a few u s.
    """
    rounding = P._rounding()
    if widened(P) or P.dtype == torch.float64:
        return 4 * FLOAT64_ERROR
    return 4 * rounding if P.beta == 1 else 4 * math.sqrt(rounding)


@given(
    st.sampled_from(["dense", "low_rank"]),
    st.sampled_from(DTYPES),
    st.sampled_from([1.0, 0.99, 0.9, 0.5, 1e-3]),  # beta
    st.sampled_from([1e-3, 0.1, 1.0, 100.0]),  # delta
    st.integers(1, 12),  # dim
    st.sampled_from([None, 1, 2, 5]),  # max_rank
    st.floats(-20, 20),  # exponent of the scale
    st.sampled_from(["equal", "independent", "drifting"]),
    st.integers(0, 2**31 - 1),
)
def test_an_input_that_has_been_taken_in_has_less_than_one(
    form: str,
    dtype: torch.dtype,
    beta: float,
    delta: float,
    dim: int,
    max_rank: int | None,
    exponent: float,
    kind: str,
    seed: int,
) -> None:
    rows = independent(12, dim, seed) if kind == "independent" else drifting(12, dim, 0.1, seed)
    if kind == "equal":
        rows = rows[:1].expand(12, dim)
    P = make(form, dim, delta, beta, dtype, max_rank)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", LongInputWarning)
        for row in rows:
            x = row.to(torch.float64 if dtype == torch.float64 else torch.float32) * 10.0**exponent
            P.update(x)
            assert square(P, x) <= 1 + allowed_excess(P)
    assert P.num_updates == 12


@forms
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("relative", [0.9, 1.1])
def test_narrow_types_hold_p_up_to_the_bound(form: str, dtype: torch.dtype, relative: float) -> None:
    """s ≤ 1/√u, to the letter: P is as exact beyond it as below it, since it is float64 there."""
    P = make(form, 6, 0.5, dtype=dtype)
    bound = P.longest_input
    assert bound == pytest.approx(P._rounding() ** -0.5)
    x = torch.ones(6) * math.sqrt(relative * bound * 0.5 / 6)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        P.update(x)
    assert widened(P) == (relative > 1)
    assert len(said) == (relative > 1 and dtype == torch.float16)  # half precision is chosen for its size
    if said:
        assert issubclass(said[0].category, LongInputWarning)
        assert "P is stored in float64 from now on" in str(said[0].message)
        assert said[0].filename == __file__
    length = float(x.double().square().sum())
    excess = square(P, x) - length / (0.5 + length)  # over the exact value
    assert abs(excess) <= (1e-6 if widened(P) else 4 * P._rounding() * bound)
    P.reset()
    assert not widened(P)


@forms
@pytest.mark.parametrize("beta", [1.0, 0.9])
def test_float32_is_as_float64_once_widened(form: str, beta: float) -> None:
    """The inputs of RT-MDNet, whose |x|²/δ is millions; the last digits of float32 inputs are all that is missing."""
    inputs = drifting(40, 64, step=0.3).relu() * 8
    narrow, wide = (make(form, 64, 5e-4, beta, dtype, 20) for dtype in (torch.float32, torch.float64))
    for x in inputs:
        for P in (narrow, wide):
            P.update(x)
        assert square(narrow, x) <= 1 + 1e-6
    assert widened(narrow)
    assert not widened(wide)
    probe = independent(3, 64).double()
    assert (narrow.apply(probe) - wide.apply(probe)).norm() <= 1e-4 * wide.apply(probe).norm()


@forms
def test_what_float64_cannot_resolve_raises_delta_with_a_warning(form: str) -> None:
    P = make(form, 4, 1e-3, dtype=torch.float64)
    inputs = independent(12, 4).double() * 1e6
    message = r"too long for delta: \|x\|²/δ_n = .*δ_n is raised from 0\.001 to"
    with pytest.warns(LongInputWarning, match=message) as said:
        P.update(inputs[0])
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LongInputWarning)
        for x in inputs[1:]:
            P.update(x)
            assert square(P, x) <= 1 + 4 * FLOAT64_ERROR
    in_force = 1 / P.scale
    longest = float(inputs.square().sum(1).max())
    assert longest / (4 * P.longest_input) <= in_force <= 4 * longest / P.longest_input
    correlation = oracle.correlation(inputs, in_force)
    torch.testing.assert_close(P.to_dense() @ correlation, torch.eye(4).double(), rtol=0, atol=1e-2)


@forms
def test_the_exact_estimator_is_right_on_long_inputs_or_says_so(form: str) -> None:
    X, W = independent(200, 5, seed=1).double() * 1e6, independent(2, 5).double()
    estimator = RecursiveLeastSquares(5, 2, 1e-3, estimator=form)
    with pytest.warns(LongInputWarning):
        estimator.update(X, X @ W.mT)
    # the raised δ_n, some hundreds, biases by its ratio to the eigenvalues of Φ, 1e14; rounding is what remains
    assert (estimator.weight - W).norm() <= 1e-5 * W.norm()


@forms
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e-25])
def test_tiny_inputs_change_nothing(form: str, dtype: torch.dtype, scale: float) -> None:
    P = make(form, 5, dtype=dtype)
    for x in independent(3, 5).double() * scale:
        P.update(x)
    torch.testing.assert_close(P.to_dense(), torch.eye(5, dtype=dtype), rtol=0, atol=8 * torch.finfo(dtype).eps)


@forms
def test_overflow_is_called_overflow(form: str) -> None:
    P = make(form, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"Overflow: \|x\|² is more than float64 can hold"):
        P.update(torch.full((3,), 1e200, dtype=torch.float64))
    with pytest.raises(ValueError, match="Expected finite numbers in x, got NaN or infinity"):
        P.update(torch.full((3,), math.inf, dtype=torch.float64))
    assert P.num_updates == 0


def test_overflow_in_p_is_called_overflow() -> None:
    P = make("dense", 2, dtype=torch.float64)
    P._matrix.fill_(1e308)
    with pytest.raises(PositiveDefinitenessError, match=r"Overflow in P at update 1: .*Call reset\(\)"):
        P.update(torch.full((2,), 10.0))


@pytest.mark.parametrize("repeats", [10, 10_000])
def test_a_compression_keeps_the_best_known_direction(repeats: int) -> None:
    """Of which so much is known that its eigenvalue is of the size of float64's rounding, or below it."""
    known = torch.zeros(12, dtype=torch.float64)
    known[0] = 4e5
    P = LowRankInverseCorrelation(12, 1.0, max_rank=4, dtype=torch.float64)
    for _ in range(repeats):
        P.update(known)
    others = independent(40, 12).double()
    others[:, 0] = 0
    for x in others:
        P.update(x)
        assert P.rank <= 4
        assert square(P, known) <= 1  # a direction that P had forgotten would have 1.6e11
        assert P.smallest_eigenvalue() > 0


def test_a_repair_clamps_and_does_not_forget() -> None:
    """An eigenvalue below zero becomes the smallest that float64 knows, not that of a direction never seen."""
    inputs = independent(3, 6).double() * 100
    P = LowRankInverseCorrelation(6, 1.0, dtype=torch.float64)
    for x in inputs:
        P.update(x)
    known = P.basis @ inputs[0] / inputs[0].norm()
    P.core.sub_(1e-3 * torch.outer(known, known))
    assert square(P, inputs[0]) < 0
    with pytest.warns(PositiveDefinitenessWarning, match="repaired"):
        P.update(inputs[0])
    assert 0 <= square(P, inputs[0]) <= 1  # a direction that P had forgotten would have 6e4 before the update


@forms
def test_a_block_is_its_rows_whatever_their_lengths(form: str) -> None:
    """Rows that widen P, raise δ_n or renew it stand anywhere in the block."""
    rows = independent(30, 4).double() * torch.logspace(-1, 4, 30, dtype=torch.float64)[:, None]
    for beta in (1.0, 0.7):
        single, block = (make(form, 4, 0.1, beta) for _ in range(2))
        for x in rows:
            single.update(x)
        block.update(rows)
        assert block.scale == pytest.approx(single.scale)
        assert block.num_updates == single.num_updates == 30
        error = torch.linalg.matrix_norm(single.to_dense().double() - block.to_dense().double(), 2)
        assert error <= 1e-5 * single.scale


@forms
def test_widened_states_go_on_alike(form: str) -> None:
    inputs = independent(10, 5) * 1e4
    P, twin = make(form, 5), make(form, 5)
    for x in inputs[:5]:
        P.update(x)
    twin.load_state_dict(P.state_dict())
    for each in (P, twin):
        each.update(inputs[5:])
    assert widened(twin)
    assert torch.equal(twin.apply(inputs), P.apply(inputs))


@pytest.mark.parametrize("delta", [1e-6, 1e6])
def test_half_precision_must_hold_the_start_of_p(delta: float) -> None:
    with pytest.raises(ValueError, match=r"Expected delta from 6\.1e-05 to 1\.6e\+04 for torch.float16"):
        make("dense", 3, delta, dtype=torch.float16)


@pytest.mark.parametrize("scale", [1e-30, 1e-7, 1e6, 1e30])
def test_gradients_of_any_size_pass_through_half_precision(scale: float) -> None:
    P = make("dense", 8, dtype=torch.float16)
    P.update(independent(1, 8)[0] / 2)
    g = independent(3, 8, seed=1)
    expected = g.double() @ P.to_dense().double()
    assert (P.apply(g * scale).double() / scale - expected).norm() <= 4 * torch.finfo(torch.float16).eps * g.norm()


def test_directions_below_the_digits_of_the_inputs_are_no_columns() -> None:
    """Inputs of three directions, rounded to float32: widened, P does not take the rounding for directions."""
    inputs = independent(60, 3, seed=1) @ (independent(3, 40) * 30)
    P = LowRankInverseCorrelation(40, 1.0, max_rank=None)
    for x in inputs:
        P.update(x)
    assert widened(P)
    assert P.rank == 3
