"""Updates that read nothing back: their results, their late errors, and that they read nothing."""

import copy
import math
import pickle
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from rls import RLSSGD, LowRankInverseCorrelation, RecursiveLeastSquares, oracle
from rls.base import InverseCorrelation, PositiveDefinitenessError, PositiveDefinitenessWarning
from rls.inverse_correlation import make_inverse_correlation
from rls.layers import layer_virtual_input
from tests.rls.no_reads import NoReads, PromisingVerdict, fake_cuda
from tests.rls.streams import STREAMS, independent

FORMS = ("dense", "low_rank")
forms = pytest.mark.parametrize("form", FORMS)


def make(
    form: str,
    dim: int,
    beta: float = 1.0,
    dtype: torch.dtype = torch.float64,
    max_rank: int | None = None,
    unread: bool = True,
) -> InverseCorrelation:
    """With δ = 0.1 on the CPU, whose updates go as on a GPU if `unread`."""
    P = make_inverse_correlation(form, dim, 0.1, beta, max_rank, dtype, "cpu")
    P._reads_are_free = not unread
    P.reset()  # which makes the buffers
    return P


def mixed(count: int, dim: int, kinds: list[str], seed: int) -> Tensor:
    """(count, dim) float64: inputs that are new, repeat an earlier one, combine all earlier ones, or are zero."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.zeros(count, dim, dtype=torch.float64)
    for index in range(count):
        kind = kinds[index % len(kinds)] if index else "new"
        if kind == "new":
            rows[index] = torch.randn(dim, dtype=torch.float64, generator=generator)
        elif kind == "repeated":
            rows[index] = rows[torch.randint(index, (1,), generator=generator)]
        elif kind == "dependent":
            rows[index] = torch.randn(index, dtype=torch.float64, generator=generator) @ rows[:index] / index**0.5
    return rows


KINDS = ["new", "repeated", "dependent", "zero"]


@given(
    st.sampled_from(FORMS),
    st.integers(1, 12),  # dim
    st.integers(1, 30),  # inputs
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=5),
    st.sampled_from([1.0, 0.99, 0.7]),  # beta
    st.sampled_from([None, 1, 2, 3, 6]),  # max_rank
    st.lists(st.integers(1, 4), max_size=3),  # blocks of rows, in turn
    st.integers(0, 2**31 - 1),  # seed
)
def test_results_are_those_of_ordinary_updates(
    form: str,
    dim: int,
    count: int,
    kinds: list[str],
    beta: float,
    max_rank: int | None,
    blocks: list[int],
    seed: int,
) -> None:
    inputs, probes = mixed(count, dim, kinds, seed), independent(3, dim).double()
    ordinary, unread = (make(form, dim, beta, max_rank=max_rank, unread=way) for way in (False, True))
    sizes = [*blocks, 1]
    start = 0
    while start < count:
        size = sizes[start % len(sizes)]
        rows = inputs[start] if size == 1 else inputs[start : start + size]
        start += size
        for P in (ordinary, unread):
            P.update(rows)
        tolerance = 1e-10 * ordinary.scale * (1 + float(inputs.norm(dim=1).max()))
        assert (unread.apply(probes) - ordinary.apply(probes)).abs().max() <= tolerance  # before anything is settled
        assert unread.num_updates == ordinary.num_updates
        assert unread.scale == pytest.approx(ordinary.scale)
    assert (unread.to_dense() - ordinary.to_dense()).abs().max() <= tolerance
    assert unread.smallest_eigenvalue() > 0
    if isinstance(unread, LowRankInverseCorrelation) and isinstance(ordinary, LowRankInverseCorrelation):
        assert unread.rank == ordinary.rank


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("beta", [1.0, 0.99])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_long_streams_in_few_digits(stream: str, beta: float, dtype: torch.dtype) -> None:
    """Over compressions, with the bound that the ordinary way keeps: the smallest eigenvalue above zero."""
    inputs = STREAMS[stream](600, 96).to(dtype)
    ordinary, unread = (make("low_rank", 96, beta, dtype, max_rank=32, unread=way) for way in (False, True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count, x in enumerate(inputs, start=1):
            ordinary.update(x)
            unread.update(x)
            if count % 150 == 0:
                assert unread.smallest_eigenvalue() > 0
                assert unread.trace() == pytest.approx(ordinary.trace(), rel=20 * torch.finfo(dtype).eps * count**0.5)


def test_columns_are_spent_on_new_directions_only() -> None:
    inputs = independent(3, 20).double()
    P = make("low_rank", 20, max_rank=8)
    assert isinstance(P, LowRankInverseCorrelation)
    for x in (*inputs, *inputs, torch.zeros(20), inputs[0] - 3 * inputs[1]):
        P.update(x)
    assert P._rank == 4  # one that the host does not know about
    assert P.rank == 3
    assert P._core[3:, :3].abs().max() == 0
    assert P._core[:3, 3:].abs().max() == 0
    assert (P.basis @ P.basis.mT - torch.eye(3)).abs().max() < 1e-14


def test_the_last_direction_may_be_missing_for_ever() -> None:
    """One short of the whole space no update may read, and none may take the space for exhausted."""
    directions = independent(4, 5).double()
    inputs = independent(30, 4, seed=1).double() @ directions
    P = make("low_rank", 5)
    probe = independent(1, 5, seed=2)[0].double()
    for count, x in enumerate(inputs, start=1):
        with NoReads():
            P.update(x)
            product = P.apply(probe)
        expected = probe @ oracle.inverse_correlation(inputs[:count], 0.1)
        torch.testing.assert_close(product, expected, rtol=0, atol=1e-11 * P.scale)
    assert isinstance(P, LowRankInverseCorrelation)
    assert P.rank == 4


@forms
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_nothing_is_read(form: str, beta: float) -> None:
    """New, known, zero and bad inputs, and renewals of the ridge, which β = 0.5 needs after 26 updates."""
    inputs = mixed(40, 50, KINDS, seed=0)
    P = make(form, 50, beta, max_rank=48)
    with NoReads():
        for x in inputs:
            P.update(x)
            P.apply(x)
        P.update(torch.full((1, 50), math.nan, dtype=torch.float64))
        P.apply(inputs[:3])
    assert P.num_updates == 41


@forms
def test_an_update_in_three_parts_is_the_same(form: str) -> None:
    """With products in between; what the part of the device depends on stays the same while there are columns."""
    inputs = mixed(60, 50, KINDS, seed=0)
    whole, parts = (make(form, 50, max_rank=20) for _ in range(2))
    states, without = [], 0
    for x in inputs:
        whole.update(x)
        state = parts.begin_update()
        if state is None:
            without += 1
            parts.update(x)
        else:
            states.append(state)
            left = parts.update_on_device(x)
            assert torch.equal(parts.apply(inputs), whole.apply(inputs))
            parts.end_update(*left)
        assert torch.equal(parts.apply(inputs), whole.apply(inputs))
    assert torch.equal(parts.to_dense(), whole.to_dense())
    assert parts.num_updates == whole.num_updates == 60
    # 15 of the 60 are new, and one is taken for new until the next comes.
    assert without == 0
    assert len(set(states)) == 1


def test_what_cannot_be_recorded() -> None:
    assert make("low_rank", 8, unread=False).begin_update() is None  # a CPU
    assert make("dense", 8, beta=0.9).begin_update() is None  # δ_n changes
    P = make("low_rank", 40, max_rank=4)
    inputs = independent(12, 40).double()
    states = []
    for x in inputs:
        states.append(P.begin_update())
        P.update(x)
    # The fifth update compresses to two columns, which changes δ_n, and takes one of the two that are free.
    recorded = [state is not None for state in states]
    assert recorded == [True] * 4 + [False, True] * 4
    assert len({state for state in states if state is not None}) == 5


def test_buffers_that_grow_are_another_state() -> None:
    P = make("low_rank", 100)
    states = set()
    for x in independent(40, 100).double():
        states.add(P.begin_update())
        P.update(x)
    assert len(states) == 2
    assert None not in states


@forms
@pytest.mark.parametrize("beta", [1.0, 0.9])
@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e200])
def test_a_bad_input_counts_as_zeros_and_is_reported_later(form: str, beta: float, bad: float) -> None:
    inputs = independent(5, 6).double()
    P, twin = make(form, 6, beta), make(form, 6, beta)
    for x in inputs[:3]:
        P.update(x)
        twin.update(x)
    before = P.apply(inputs)
    x = inputs[3].clone()
    x[2] = bad
    P.update(x)
    twin.update(torch.zeros(6))
    if beta == 1:
        assert torch.equal(P.apply(inputs), before)
    assert torch.equal(P.apply(inputs), twin.apply(inputs))
    with pytest.raises(ValueError, match=r"finite numbers in x.*in update 4,.*has not been taken in: call again"):
        P.update(inputs[4])
    assert torch.equal(P.to_dense(), twin.to_dense())
    P.update(inputs[4])
    twin.update(inputs[4])
    assert torch.equal(P.to_dense(), twin.to_dense())
    assert P.num_updates == twin.num_updates == 5
    for diagnosis in (P.to_dense, P.smallest_eigenvalue, P.trace, P.effective_rank, P.state_dict, P.settle):
        P.update(x)
        with pytest.raises(ValueError, match="finite numbers in x"):
            diagnosis()
        diagnosis()


@forms
def test_blocks_are_looked_at_at_once(form: str) -> None:
    P = make(form, 4)
    P.update(independent(2, 4))
    before = P.to_dense()
    with pytest.raises(ValueError, match="Expected finite numbers in x"):
        P.update(torch.tensor([[0.0, 1, 0, 0], [0, math.inf, 0, 0]]))
    assert torch.equal(P.to_dense(), before)
    assert P.num_updates == 2


def test_dense_repairs_a_rounding_deficit_with_a_warning() -> None:
    P = make("dense", 4, dtype=torch.float32)
    x = torch.tensor([1.0, 0, 0, 0])
    P._matrix[0, 0] = -1e-5
    P.update(x)
    with pytest.warns(PositiveDefinitenessWarning, match=r"at update 1: 1 \+ xᵀPx/β = 0\.99999.*repaired"):
        P.update(x)
    assert P.smallest_eigenvalue() > 0
    assert P.num_updates == 2


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("beta", [1.0, 0.9])
def test_low_rank_repairs_its_core_with_a_warning(known: bool, beta: float) -> None:
    """As the ordinary way does, but for P's one step of forgetting, which comes before the repair here."""
    inputs = independent(4, 6).double()
    Ps = [make("low_rank", 6, beta, unread=way) for way in (False, True)]
    x = inputs[0] if known else inputs[0] + 1e-3 * inputs[3]
    for P in Ps:
        for row in inputs[:3]:
            P.update(row)
        assert isinstance(P, LowRankInverseCorrelation)
        P.settle()
        P._core[0, 0] = -1.0
        P.update(x) if P is Ps[1] else None
        with pytest.warns(PositiveDefinitenessWarning, match="at update 4: .*repaired"):
            P.settle() if P is Ps[1] else P.update(x)
        assert P.smallest_eigenvalue() > 0
        assert P.num_updates == 4
    torch.testing.assert_close(Ps[1].to_dense(), Ps[0].to_dense(), rtol=0, atol=1e-12 * P.scale)


@forms
@pytest.mark.parametrize("entry", [-1.0, math.nan, -math.inf])
def test_fails_with_numbers_beyond_repair(form: str, entry: float) -> None:
    if form == "low_rank" and entry == -1.0:
        return  # which it repairs
    inputs = independent(3, 6)
    P = make(form, 6, dtype=torch.float32)
    for x in inputs:
        P.update(x)
    P.settle()
    (P._matrix if form == "dense" else P._core)[0, 0] = entry
    P.update(inputs[0])
    with pytest.raises(PositiveDefinitenessError, match=r"at update 4: 1 \+ xᵀPx/β = .*1/δ_n = 10, dim = 6"):
        P.update(inputs[1])
    P.reset()
    assert P.num_updates == 0
    P.update(inputs)
    assert torch.equal(P.to_dense(), fresh(form, inputs).to_dense())


def fresh(form: str, inputs: Tensor) -> InverseCorrelation:
    P = make(form, inputs.shape[1], dtype=inputs.dtype)
    P.update(inputs)
    return P


@forms
def test_reset_and_load_forget_what_nobody_looked_at(form: str) -> None:
    inputs = independent(4, 6).double()
    P = fresh(form, inputs)
    state = P.state_dict()
    for forget in (P.reset, lambda: P.load_state_dict(state)):
        P.update(inputs[0] * math.nan)
        forget()
        P.update(inputs[0])
        P.settle()
    twin = fresh(form, inputs)
    twin.update(inputs[0])
    assert torch.equal(P.to_dense(), twin.to_dense())


@forms
def test_copies_of_an_unsettled_p_settle_for_themselves(form: str) -> None:
    inputs = independent(5, 6).double()
    P = make(form, 6)
    for x in (*inputs, inputs[0]):
        P.update(x)
    copies = [copy.deepcopy(P), pickle.loads(pickle.dumps(P))]
    for other in copies:
        assert torch.equal(other.to_dense(), P.to_dense())
    P.update(inputs[0] * math.nan)
    twin = copy.deepcopy(P)
    for other in (P, twin):
        with pytest.raises(ValueError, match="in update 7"):
            other.settle()


@forms
def test_works_in_inference_mode(form: str) -> None:
    """P made outside and used inside, and made inside."""
    inputs = independent(12, 8).double()
    outside = make(form, 8, max_rank=5)
    with torch.inference_mode():
        inside = make(form, 8, max_rank=5)
        for x in inputs:
            for P in (outside, inside):
                P.update(x)
                P.apply(x)
        assert torch.equal(inside.to_dense(), outside.to_dense())
    outside.update(inputs[0])
    assert outside.num_updates == 13


def test_buffers_with_a_bound_are_made_once() -> None:
    P = make("low_rank", 40, max_rank=20)
    assert isinstance(P, LowRankInverseCorrelation)
    addresses = P._basis.data_ptr(), P._core.data_ptr()
    assert P._basis.shape == (20, 40)
    for x in independent(60, 40):
        P.update(x)
    P.load_state_dict(P.state_dict())
    P.reset()
    P.update(torch.ones(40))
    assert (P._basis.data_ptr(), P._core.data_ptr()) == addresses
    P = make("low_rank", 4000)
    assert isinstance(P, LowRankInverseCorrelation)
    assert P._basis.shape == (32, 4000)  # all of them would be a dense matrix


def test_estimator_keeps_a_bad_update_out_of_its_weights() -> None:
    inputs, targets = independent(4, 3).double(), independent(4, 2, seed=1).double()
    estimator = RecursiveLeastSquares(3, 2, 0.1)
    estimator.inverse_correlation._reads_are_free = False
    for x, y in zip(inputs, targets, strict=True):
        estimator.update(x, y)
    expected = oracle.normal_equations(inputs, targets, 0.1)
    torch.testing.assert_close(estimator.weight, expected)
    estimator.inverse_correlation._matrix[0, 0] = -1.0
    with pytest.raises(PositiveDefinitenessError, match="at update 5"):
        estimator.update(torch.tensor([5.0, 0, 0]), targets[0])
    torch.testing.assert_close(estimator.weight, expected)


@forms
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_nothing_is_read_from_a_gpu(form: str, beta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_cuda(monkeypatch):
        P = make_inverse_correlation(form, 64, 0.1, beta, 32, torch.float32, "cuda")
        x, g = torch.ones(64, device="cuda"), torch.ones(3, 64, device="cuda", dtype=torch.float16)
        for _ in range(40):  # every second one is new
            P.update(x)
            assert P.apply(g).device == x.device
        P.reset()
        P.update(x[None])
        assert P.num_updates == 1


@forms
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_optimizer_steps_read_nothing_from_a_gpu(
    form: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = PromisingVerdict.made
    with fake_cuda(monkeypatch):
        convolution = nn.Conv2d(4, 6, 3, groups=2, device="cuda")
        net = nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(54, 5, device="cuda"))
        optimizer = RLSSGD(net, 0.1, 0.1, 0.99, 0.9, 1e-4, "paper", 1.0, form, dtype=dtype)
        shapes = (7, 4, 5, 5), (7, 54)
        for _ in range(4):
            optimizer.zero_grad()
            net(torch.rand(7, 4, 5, 5, device="cuda"))
            for layer, module, inputs in zip(optimizer.layers, (convolution, net[3]), shapes, strict=True):
                # in place of a backward pass, which looks for the device
                layer.tap._seen.append((layer_virtual_input(module, torch.rand(inputs, device="cuda"), True), 7))
            for parameter in net.parameters():
                parameter.grad = torch.rand_like(parameter)
            optimizer.step()
    assert PromisingVerdict.made == made + 4 * 3  # two groups and the linear layer
