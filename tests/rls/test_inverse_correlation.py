"""Both forms of P against the float64 oracle, their algebra, their bounds and their failures."""

import copy
import math
import warnings
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rls import DenseInverseCorrelation, LowRankInverseCorrelation, oracle
from rls.base import InverseCorrelation, PositiveDefinitenessError, PositiveDefinitenessWarning
from rls.inverse_correlation import make_inverse_correlation
from tests.rls.streams import STREAMS, drifting, independent
from tests.shared_data import golden

FORMS = ("dense", "low_rank")
PRECISIONS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
forms = pytest.mark.parametrize("form", FORMS)


def make(
    form: str,
    dim: int,
    delta: float = 0.1,
    beta: float = 1.0,
    dtype: torch.dtype = torch.float64,
    max_rank: int | None = None,
) -> InverseCorrelation:
    return make_inverse_correlation(form, dim, delta, beta, max_rank, dtype, None)


def fed(P: InverseCorrelation, inputs: Tensor) -> InverseCorrelation:
    for x in inputs:
        P.update(x)
    return P


def correlation_in_force(P: InverseCorrelation, inputs: Tensor) -> Tensor:
    """Φ_n with the δ_n of P, which may have been renewed."""
    renewed = 1 / P.scale - P.delta * P.beta ** len(inputs)
    return oracle.correlation(inputs, P.delta, P.beta) + renewed * torch.eye(P.dim, dtype=torch.float64)


def rounding_of_inverse(correlation: Tensor) -> float:
    """What float64 rounding makes of the oracle's inverse, relative to its norm."""
    return torch.finfo(torch.float64).eps * float(torch.linalg.cond(correlation))


def relative(actual: Tensor, expected: Tensor) -> float:
    """Largest relative error of a row."""
    difference = torch.linalg.vector_norm(actual.double() - expected, dim=-1)
    return float((difference / torch.linalg.vector_norm(expected, dim=-1)).max())


@forms
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize(
    ("dim", "count", "delta", "beta"),
    [(1, 3, 0.5, 1.0), (5, 3, 0.1, 1.0), (5, 40, 2.0, 1.0), (40, 25, 0.1, 1.0), (40, 25, 0.5, 0.9), (8, 30, 0.1, 0.95)],
)
def test_follows_the_oracle(form: str, dtype: torch.dtype, dim: int, count: int, delta: float, beta: float) -> None:
    inputs = drifting(count, dim, step=0.3).to(dtype)
    P = fed(make(form, dim, delta, beta, dtype), inputs)
    assert P.num_updates == count
    assert P.to_dense().dtype == dtype
    correlation = correlation_in_force(P, inputs)
    error = torch.linalg.matrix_norm(P.to_dense().double() - torch.linalg.inv(correlation), 2) / P.scale
    # every update rounds P, whose largest eigenvalue is the scale, or adds a rounded row to its basis
    assert error <= 5 * math.sqrt(count) * torch.finfo(dtype).eps + rounding_of_inverse(correlation)


@forms
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 1e-2)])
@pytest.mark.parametrize("count", [0, 5, 40])
@pytest.mark.parametrize("max_rank", [None, 8])
def test_trace_and_effective_rank(
    form: str, dtype: torch.dtype, tolerance: float, count: int, max_rank: int | None
) -> None:
    """Of the matrix itself; the tolerances leave room for the rounding of 30 x 30 entries."""
    P = fed(make(form, 30, dtype=dtype, max_rank=max_rank), independent(count, 30).to(dtype))
    eigenvalues = torch.linalg.eigvalsh(P.to_dense().double())
    assert P.trace() == pytest.approx(float(eigenvalues.sum()), rel=tolerance)
    expected = float(eigenvalues.sum() ** 2 / eigenvalues.square().sum())
    assert P.effective_rank() == pytest.approx(expected, rel=tolerance)
    if count == 0:
        assert P.effective_rank() == pytest.approx(30, rel=tolerance)


@forms
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_apply_is_the_product_with_p(form: str, dtype: torch.dtype) -> None:
    P = fed(make(form, 30, dtype=dtype), drifting(12, 30))
    dense = P.to_dense().double()
    for shape in [(30,), (1, 30), (4, 30), (2, 3, 30), (0, 30)]:
        g = torch.randn(shape)
        product = P.apply(g)
        assert product.shape == shape
        assert product.dtype == g.dtype
        eps = max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
        bound = 8 * eps * P.scale * g.double().norm()
        assert (product.double() - g.double() @ dense).norm() <= bound


@forms
def test_starts_and_resets_to_the_prior(form: str) -> None:
    P = make(form, 6, delta=0.25, beta=0.9)
    prior = 4 * torch.eye(6, dtype=torch.float64)
    assert torch.equal(P.to_dense(), prior)
    fed(P, independent(4, 6))
    assert not torch.equal(P.to_dense(), prior)
    P.reset()
    assert torch.equal(P.to_dense(), prior)
    assert P.num_updates == 0
    fed(P, independent(4, 6, seed=1))
    expected = oracle.inverse_correlation(independent(4, 6, seed=1), 0.25, 0.9)
    torch.testing.assert_close(P.to_dense(), expected, rtol=0, atol=1e-12)


inputs_strategy = st.tuples(
    st.sampled_from(FORMS),
    st.integers(1, 12),  # dim
    st.integers(1, 20),  # inputs
    st.floats(0.01, 10.0),  # delta
    st.sampled_from([1.0, 0.99, 0.9, 0.7]),  # beta
    st.integers(0, 2**31 - 1),  # seed
)


@given(inputs_strategy)
def test_gain_symmetry_and_positive_definiteness(case: tuple[str, int, int, float, float, int]) -> None:
    form, dim, count, delta, beta, seed = case
    inputs = drifting(count, dim, step=0.2, seed=seed).double()
    P = make(form, dim, delta, beta)
    fed(P, inputs[:-1])
    k, P_n = oracle.recursion_step(P.to_dense(), inputs[-1], beta)
    P.update(inputs[-1])
    dense = P.to_dense()
    tolerance = 1e-11 * P.scale * (1 + float(inputs[-1].norm()))
    assert (P.apply(inputs[-1]) - k).abs().max() <= tolerance  # Eq. 20
    assert (dense - P_n).abs().max() <= tolerance
    assert torch.equal(dense, dense.mT)
    assert 0 < P.smallest_eigenvalue() <= P.scale * (1 + 1e-12)


@given(inputs_strategy, st.lists(st.integers(0, 20), max_size=4))
def test_block_equals_the_sequence_of_its_rows(case: tuple[str, int, int, float, float, int], cuts: list[int]) -> None:
    form, dim, count, delta, beta, seed = case
    inputs = drifting(count, dim, step=0.2, seed=seed).double()
    single, blocks = fed(make(form, dim, delta, beta), inputs), make(form, dim, delta, beta)
    edges = [0, *sorted(min(cut, count) for cut in cuts), count]
    for start, stop in pairwise(edges):
        blocks.update(inputs[start:stop])
    assert blocks.num_updates == single.num_updates == count
    assert blocks.scale == pytest.approx(single.scale)
    tolerance = 1e-11 * single.scale * (1 + float(inputs.norm(dim=1).max()))
    assert (blocks.to_dense() - single.to_dense()).abs().max() <= tolerance


@given(inputs_strategy, st.floats(-3, 3))
def test_apply_is_linear(case: tuple[str, int, int, float, float, int], factor: float) -> None:
    form, dim, count, delta, beta, seed = case
    P = fed(make(form, dim, delta, beta), independent(count, dim, seed))
    g, h = independent(2, dim, seed + 1).double()
    error = P.apply(g + factor * h) - P.apply(g) - factor * P.apply(h)
    assert error.abs().max() <= 1e-12 * P.scale * (1 + g.norm() + h.norm())


@given(inputs_strategy)
def test_state_dict_round_trip(case: tuple[str, int, int, float, float, int]) -> None:
    form, dim, count, delta, beta, seed = case
    inputs = independent(count + 3, dim, seed)
    P = fed(make(form, dim, delta, beta), inputs[:count])
    restored = make(form, dim, delta, beta)
    restored.load_state_dict(P.state_dict())
    twin = copy.deepcopy(P)
    for other in (P, restored, twin):
        fed(other, inputs[count:])
    assert torch.equal(P.to_dense(), restored.to_dense())
    assert torch.equal(P.to_dense(), twin.to_dense())
    assert P.num_updates == restored.num_updates == count + 3


def test_state_dict_is_a_copy() -> None:
    for form in FORMS:
        P = fed(make(form, 5), independent(2, 5))
        state, before = P.state_dict(), P.to_dense()
        fed(P, independent(2, 5, seed=1))
        P.load_state_dict(state)
        assert torch.equal(P.to_dense(), before)


def test_low_rank_is_as_accurate_as_float32_allows() -> None:
    """The promise of the low-rank form at the size of the lite tracker; the column recursion ends at 4.2e-5 here."""
    dim, delta = 1792, 0.1
    inputs, probes = drifting(1000, dim), independent(8, dim, seed=1)
    P = LowRankInverseCorrelation(dim, delta, max_rank=None)
    for count, tolerance in ((500, 1e-5), (1000, 2e-5)):
        fed(P, inputs[count - 500 : count])
        truth = probes.double() @ oracle.inverse_correlation(inputs[:count], delta)
        error = relative(P.apply(probes), truth)
        assert error <= tolerance, f"{count} updates: {error:.1e}"
        assert P.smallest_eigenvalue() > 0


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("beta", [1.0, 0.99])
def test_bounded_rank_stays_positive_definite(stream: str, beta: float) -> None:
    inputs = STREAMS[stream](3200, 512)
    P = LowRankInverseCorrelation(512, 0.1, beta, max_rank=64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for index, x in enumerate(inputs):
            P.update(x)
            if index % 400 == 399:
                assert P.rank <= 64
                assert P.smallest_eigenvalue() >= torch.finfo(torch.float32).eps * P.scale
                assert torch.linalg.eigvalsh(P.core)[-1] <= P.scale * (1 + 1e-9)
                assert P.apply(x).isfinite().all()


@pytest.mark.parametrize("max_rank", [1, 2, 3, 8])
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("beta", [1.0, 0.9])
def test_bounded_rank_preserves_the_trace_of_the_correlation(stream: str, max_rank: int, beta: float) -> None:
    inputs = STREAMS[stream](40, 12)
    P = LowRankInverseCorrelation(12, 0.1, beta, max_rank, dtype=torch.float64)
    for count, x in enumerate(inputs, start=1):
        P.update(x)
        assert P.rank <= max_rank
        trace = torch.linalg.inv(P.to_dense()).trace()
        torch.testing.assert_close(trace, oracle.correlation(inputs[:count], 0.1, beta).trace())


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("beta", [1.0, 0.99])
def test_error_of_bounded_rank_stays_bounded(stream: str, beta: float) -> None:
    inputs, probes = STREAMS[stream](1500, 192), independent(8, 192, seed=1)
    P = LowRankInverseCorrelation(192, 0.1, beta, max_rank=48)
    for count, x in enumerate(inputs, start=1):
        P.update(x)
        if count % 250 == 0:
            inverse = oracle.inverse_correlation(inputs[:count], 0.1, beta)
            for g in (probes, inputs[count - 8 : count]):
                assert relative(P.apply(g), g.double() @ inverse) <= 2
            if beta == 1:  # what P says about earlier inputs, the memory, is right
                earlier = inputs[: count : count // 10].double()
                ratio = (P.apply(earlier) * earlier).sum(dim=1) / (earlier @ inverse * earlier).sum(dim=1)
                assert 1 / 3 <= ratio.median() <= 3


def test_bounded_rank_is_exact_while_the_inputs_fit() -> None:
    directions = independent(4, 30).double()
    inputs = independent(100, 4, seed=1).double() @ directions
    P = fed(LowRankInverseCorrelation(30, 0.1, max_rank=6, dtype=torch.float64), inputs)
    assert P.rank == 4
    # 1e-10: float64 rounding times the condition number 10⁶ of Φ
    torch.testing.assert_close(P.to_dense(), oracle.inverse_correlation(inputs, 0.1), rtol=0, atol=1e-10 * P.scale)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_columns_are_spent_on_new_directions_only(dtype: torch.dtype) -> None:
    inputs = independent(5, 20).to(dtype)
    P = LowRankInverseCorrelation(20, 0.1, max_rank=None, dtype=dtype)
    fed(P, inputs[:2])
    fed(P, inputs[:2])
    P.update(inputs[0] - 3 * inputs[1])
    P.update(torch.zeros(20))
    P.update(torch.stack((inputs[2], inputs[2], inputs[0], 0 * inputs[0], inputs[2] + inputs[3])))
    assert P.rank == 4
    assert P.num_updates == 11


def test_columns_never_exceed_the_dimension() -> None:
    inputs = independent(300, 9)
    P = fed(LowRankInverseCorrelation(9, 0.1, max_rank=None), inputs)
    assert P.rank == 9
    expected = oracle.inverse_correlation(inputs, 0.1)  # full rank: no c I − U Uᵀ left to cancel, so relative to P
    assert torch.linalg.matrix_norm(P.to_dense() - expected) <= 1e-5 * torch.linalg.matrix_norm(expected)


@forms
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_ridge_is_renewed_before_it_vanishes(form: str, dtype: torch.dtype) -> None:
    """An endless stream with forgetting: 1/δ_n stays bounded and Eq. 13 holds with the δ_n in force."""
    dim, delta, beta = 6, 0.5, 0.8
    inputs = drifting(400, dim, step=0.5).to(dtype)
    inputs[200:, 3:] = 0  # half of the directions are not excited any more
    P = make(form, dim, delta, beta, dtype)
    for count, x in enumerate(inputs, start=1):
        P.update(x)
        assert 2 <= P.scale <= 1 / (delta * math.sqrt(torch.finfo(dtype).eps)) * (1 + 1e-9)
        assert float(x.double().square().sum()) * P.scale <= P.longest_input * (1 + 1e-9)
        if count % 50 == 0:
            correlation = correlation_in_force(P, inputs[:count])
            error = torch.linalg.matrix_norm(P.to_dense().double() - torch.linalg.inv(correlation), 2) / P.scale
            assert error <= 10 * torch.finfo(dtype).eps + rounding_of_inverse(correlation)
    assert P.scale > 20  # it has faded


@forms
def test_ridge_is_renewed_however_fast_it_fades(form: str) -> None:
    P = fed(make(form, 3, 0.1, beta=1e-3), independent(20, 3))
    assert P.scale <= 10 / math.sqrt(torch.finfo(torch.float64).eps)
    assert P.to_dense().isfinite().all()


@forms
def test_block_across_renewals_and_compressions(form: str) -> None:
    inputs = drifting(150, 8, step=0.5).double()
    single = fed(make(form, 8, 0.5, 0.7, torch.float32), inputs)
    block = make(form, 8, 0.5, 0.7, torch.float32)
    block.update(inputs)
    assert block.scale == pytest.approx(single.scale)
    torch.testing.assert_close(block.to_dense(), single.to_dense(), rtol=0, atol=1e-4 * single.scale)
    bounded = LowRankInverseCorrelation(8, 0.5, max_rank=5)
    bounded.update(inputs)
    assert bounded.num_updates == 150
    assert bounded.rank <= 5
    assert bounded.smallest_eigenvalue() > 0


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-5)])
@forms
def test_golden_dimp_updates(form: str, dtype: torch.dtype, tolerance: float) -> None:
    """P after the three virtual inputs of the golden case; absolute tolerance of its README."""
    case = golden("c05_rls_dimp.npz")
    P = make(form, 1024, 0.1, dtype=dtype)
    probe = case.normal("c05.probe.c64", (1024,))
    for call in range(3):
        P.update(case[f"c64_a03_f64_r{call}"].flatten())
        difference = P.apply(probe).double() - case[f"c64_a03_f64_Pprobe{call}"].double().flatten()
        assert difference.abs().max() <= tolerance * probe.norm()
    rows, columns = torch.triu_indices(1024, 1024)
    triangle = P.to_dense()[rows, columns].double()
    assert (triangle - case["c64_P_triu_f32"].double()).abs().max() <= 1e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_dense_half_precision_survives_a_tracking_run(dtype: torch.dtype) -> None:
    """A hundred updates between two resets, as the authors use it: errors of some rounding units, never a crash."""
    inputs = drifting(100, 256) / 16
    P = DenseInverseCorrelation(256, 0.1, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PositiveDefinitenessWarning)
        fed(P, inputs)
    assert torch.equal(P.to_dense(), P.to_dense().mT)
    probes = independent(8, 256, seed=1)
    truth = probes.double() @ oracle.inverse_correlation(inputs, 0.1)
    assert relative(P.apply(probes), truth) <= 20 * torch.finfo(dtype).eps


def test_update_and_apply_stay_out_of_the_way_of_autograd() -> None:
    for form in FORMS:
        P = make(form, 4, dtype=torch.float32)
        x = torch.randn(4, requires_grad=True)
        P.update(x)
        assert not P.to_dense().requires_grad
        g = torch.randn(3, 4, requires_grad=True)
        (gradient,) = torch.autograd.grad(P.apply(g).sum(), g)
        torch.testing.assert_close(gradient, P.apply(torch.ones(3, 4)))


@forms
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.zeros(5), ValueError, r"expected x as \(dim,\) or \(b, dim\) with dim = 4, got \(5,\)"),
        (torch.zeros(2, 5), ValueError, "Shape mismatch"),
        (torch.zeros(1, 2, 4), ValueError, "Shape mismatch"),
        (torch.tensor(1.0), ValueError, "Shape mismatch"),
        (torch.zeros(4, dtype=torch.long), TypeError, "x to hold real floating-point numbers, got torch.int64"),
        (torch.zeros(4, dtype=torch.complex64), TypeError, "Dtype mismatch"),
        (torch.zeros(4, device="meta"), ValueError, "Device mismatch: expected x on cpu, got meta"),
        (torch.tensor([0.0, math.nan, 0, 0]), ValueError, "Expected finite numbers in x"),
        (torch.tensor([[0.0, 1, 0, 0], [0, math.inf, 0, 0]]), ValueError, "Expected finite numbers in x"),
    ],
)
def test_bad_inputs_leave_p_alone(form: str, x: Tensor, error: type[Exception], message: str) -> None:
    P = fed(make(form, 4, beta=0.9), independent(2, 4))
    before = P.to_dense()
    with pytest.raises(error, match=message):
        P.update(x)
    assert torch.equal(P.to_dense(), before)
    assert P.num_updates == 2


@forms
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("count", [0, 12])
def test_apply_in_place(form: str, dtype: torch.dtype, count: int) -> None:
    P = fed(make(form, 30, dtype=dtype), drifting(12, 30)[:count])
    # The sums of 30 products are taken in another order, and the dense form in half precision has no more digits.
    eps = torch.finfo(dtype if form == "dense" else torch.promote_types(dtype, torch.float32)).eps
    for kind in (torch.float32, torch.float64):
        g = torch.randn(5, 30, dtype=kind)
        near = {"rtol": 0, "atol": 30 * max(eps, torch.finfo(kind).eps) * P.scale * float(g.abs().max())}
        whole, weight, bias = g.clone(), g[:, :-1].clone(), g[:, -1].clone()
        P.apply_(whole)
        P.apply_(weight, bias)
        torch.testing.assert_close(whole, P.apply(g), **near)
        torch.testing.assert_close(torch.cat((weight, bias[:, None]), dim=1), P.apply(g), **near)


@forms
def test_bad_gradients_are_refused_in_place(form: str) -> None:
    P = make(form, 4)
    with pytest.raises(ValueError, match=r"expected weight as \(q, dim\)"):
        P.apply_(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"expected weight as \(q, dim - 1\)"):
        P.apply_(torch.zeros(2, 4), torch.zeros(2))
    with pytest.raises(ValueError, match="Device mismatch: expected bias"):
        P.apply_(torch.zeros(2, 3), torch.zeros(2, device="meta"))


@forms
def test_bad_gradients_are_refused(form: str) -> None:
    P = make(form, 4)
    with pytest.raises(ValueError, match=r"expected g as \(\.\.\., dim\) with dim = 4, got \(4, 3\)"):
        P.apply(torch.zeros(4, 3))
    with pytest.raises(TypeError, match="expected g"):
        P.apply(torch.zeros(4, dtype=torch.int32))
    with pytest.raises(ValueError, match="Device mismatch: expected g"):
        P.apply(torch.zeros(4, device="meta"))


@forms
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dim": 0}, ValueError, "dim to be an integer of at least 1, got 0"),
        ({"dim": 2.5}, ValueError, "dim to be an integer"),
        ({"delta": 0.0}, ValueError, "delta to be positive and finite, got 0"),
        ({"delta": -1.0}, ValueError, "delta to be positive"),
        ({"delta": math.nan}, ValueError, "delta to be positive"),
        ({"beta": 0.0}, ValueError, r"beta in \(0, 1\], got 0"),
        ({"beta": 1.01}, ValueError, "beta in"),
        ({"beta": math.nan}, ValueError, "beta in"),
        ({"dtype": torch.int32}, TypeError, "expected one of .*torch.float32.*, got torch.int32"),
        ({"dtype": torch.float16, "delta": 1e-6}, ValueError, "use a wider dtype"),
    ],
)
def test_bad_settings_are_refused(form: str, arguments: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(form, **{"dim": 4, **arguments})


def test_other_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="max_rank to be an integer of at least 1, got 0"):
        LowRankInverseCorrelation(4, 0.1, max_rank=0)
    with pytest.raises(ValueError, match="estimator to be one of 'dense', 'low_rank', got 'lowrank'"):
        make("lowrank", 4)


def test_foreign_states_are_refused() -> None:
    P = make("low_rank", 4)
    with pytest.raises(ValueError, match=r"expected the keys .*basis.*, got .*matrix"):
        P.load_state_dict(make("dense", 4).state_dict())
    with pytest.raises(ValueError, match="expected dim = 4, got 5"):
        P.load_state_dict(make("low_rank", 5).state_dict())
    with pytest.raises(ValueError, match=r"expected delta = 0\.1, got 0\.2"):
        P.load_state_dict(make("low_rank", 4, delta=0.2).state_dict())
    with pytest.raises(ValueError, match="expected at most 2 columns, got 3: raise max_rank"):
        LowRankInverseCorrelation(4, 0.1, max_rank=2).load_state_dict(fed(P, independent(3, 4)).state_dict())


def test_dense_repairs_a_rounding_deficit_with_a_warning() -> None:
    P = DenseInverseCorrelation(4, 0.1)
    x = torch.tensor([1.0, 0, 0, 0])
    P._matrix[0, 0] = -1e-5  # rounding units of the scale 10: 1.2e-6
    with pytest.warns(PositiveDefinitenessWarning, match=r"1 \+ xᵀPx/β = 0\.99999, expected at least 1 .*repaired"):
        P.update(x)
    assert P.smallest_eigenvalue() > 0
    assert P.num_updates == 1


@pytest.mark.parametrize("entry", [-1.0, math.nan, -math.inf])
def test_dense_fails_with_numbers_beyond_repair(entry: float) -> None:
    P = fed(DenseInverseCorrelation(4, 0.1), independent(2, 4))
    P._matrix[0, 0] = entry
    before = P.to_dense()
    message = r"lost positive definiteness at update 3: 1 \+ xᵀPx/β = .*\(\|x\| = 2, 1/δ_n = 10, dim = 4.*reset\(\)"
    with pytest.raises(PositiveDefinitenessError, match=message):
        P.update(torch.tensor([[2.0, 0, 0, 0], [1.0, 0, 0, 0]]))
    assert torch.equal(P.to_dense().nan_to_num(), before.nan_to_num())
    assert P.num_updates == 2


def test_low_rank_repairs_its_core_with_a_warning() -> None:
    inputs = independent(3, 6)
    P = fed(LowRankInverseCorrelation(6, 0.1), inputs)
    P._core[0, 0] = -1.0
    assert P.smallest_eigenvalue() < 0
    with pytest.warns(PositiveDefinitenessWarning, match="repaired"):
        P.update(inputs[0])
    assert P.smallest_eigenvalue() > 0
    assert P.num_updates == 4


def test_low_rank_fails_with_numbers_beyond_repair() -> None:
    inputs = independent(3, 6)
    P = fed(LowRankInverseCorrelation(6, 0.1), inputs)
    P._core[0, 0] = math.nan
    with pytest.raises(PositiveDefinitenessError, match=r"at update 4: 1 \+ xᵀPx/β = nan.*1/δ_n = 10, dim = 6"):
        P.update(inputs[0])
    P.reset()
    assert fed(P, inputs).num_updates == 3


@pytest.mark.parametrize("form", ["dense", "low_rank"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_blocks_of_dependent_rows(form: str, dtype: torch.dtype) -> None:
    """Repeated rows, rows of zeros and more rows than dimensions, as the patches of a padded convolution are."""
    generator = torch.Generator().manual_seed(0)
    few = torch.randn(3, 8, generator=generator).to(dtype)
    rows = few[torch.randint(3, (40,), generator=generator)]
    rows[::7] = 0
    P = make_inverse_correlation(form, 8, 0.5, 1.0, None, dtype, None)
    for block in rows.split([1, 2, 8, 9, 20]):
        P.update(block)
    expected = oracle.inverse_correlation(rows, 0.5)
    # An inverse is as good as the rounding unit times the condition number, relative to its largest eigenvalue, 2.
    tolerance = torch.finfo(dtype).eps * float(torch.linalg.cond(expected)) * 2
    torch.testing.assert_close(P.to_dense().double(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("form", ["dense", "low_rank"])
@pytest.mark.parametrize("max_rank", [None, 4])
def test_a_block_can_be_one_forgetting_step(form: str, max_rank: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(3, 6, dtype=torch.float64, generator=generator)
    P = make_inverse_correlation(form, 6, 0.5, 0.8, max_rank, torch.float64, None)
    correlation = 0.5 * torch.eye(6, dtype=torch.float64)
    for count in (1, 5, 9):
        rows = torch.randn(count, 3, dtype=torch.float64, generator=generator) @ basis  # fits into 4 columns
        P.update(rows, one_step=True)
        correlation = 0.8 * correlation + rows.mT @ rows  # Eq. 23
    torch.testing.assert_close(P.to_dense(), torch.linalg.inv(correlation))
    assert P.scale == pytest.approx(1 / (0.5 * 0.8**3))
