"""Whatever the caller allows for networks, P is computed in its dtype, and leaves no trace in the settings."""

import copy
import pickle
from collections.abc import Iterator

import pytest
import torch

from rls import RecursiveLeastSquares
from rls.base import InverseCorrelation
from rls.inverse_correlation import make_inverse_correlation
from rls.precision import exact_arithmetic
from rls.virtual_input import conv_virtual_input
from tests.rls.streams import independent

forms = pytest.mark.parametrize("form", ["dense", "low_rank"])


def make(form: str, max_rank: int | None = None) -> InverseCorrelation:
    return make_inverse_correlation(form, 24, 0.5, 1.0, max_rank, torch.float32, None)


@pytest.fixture
def settings() -> Iterator[None]:
    yield
    for backend in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul, torch.backends):
        if hasattr(backend, "fp32_precision"):
            backend.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")


def read_settings() -> tuple[str, ...]:
    try:
        found = [torch.get_float32_matmul_precision()]
    except RuntimeError:
        found = ["of each backend"]
    modules = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul, torch.backends)
    return (*found, *(getattr(module, "fp32_precision", "") for module in modules))


@forms
def test_autocast_changes_nothing(form: str) -> None:
    inputs, g = independent(20, 24), independent(4, 24, seed=1)
    plain, cast = make(form, 8), make(form, 8)
    for x in inputs:
        plain.update(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            cast.update(x)
            product = cast.apply(g)
            weight, bias = g[:, :-1].clone(), g[:, -1].clone()
            cast.apply_(weight, bias)
    assert torch.equal(cast.to_dense(), plain.to_dense())
    assert torch.equal(product, plain.apply(g))
    expected, expected_bias = g[:, :-1].clone(), g[:, -1].clone()
    plain.apply_(expected, expected_bias)
    assert torch.equal(weight, expected)
    assert torch.equal(bias, expected_bias)


@forms
def test_autocast_changes_nothing_for_the_estimator(form: str) -> None:
    X, Y = independent(20, 5), independent(20, 2, seed=1)
    plain, cast = (RecursiveLeastSquares(5, 2, 0.1, estimator=form, dtype=torch.float32) for _ in range(2))
    plain.update(X, Y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast.update(X, Y)
    assert torch.equal(plain.weight, cast.weight)


def test_autocast_changes_nothing_for_virtual_inputs() -> None:
    feat, weights = torch.randn(3, 4, 6, 6), torch.rand(3, 7, 7)
    plain = conv_virtual_input(feat, weights, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(conv_virtual_input(feat, weights, 4), plain)


NEW = pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="settings that torch has from 2.9 on")


@pytest.mark.parametrize(
    "setting",
    ["high", "medium", *(pytest.param(name, marks=NEW) for name in ("cuda", "mkldnn", "all"))],
)
@forms
def test_float32_products_are_exact_inside_and_settings_come_back(
    form: str, setting: str, settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    P, seen = make(form), []
    for name in ("_downdate", "_apply", "_apply_"):
        plain = getattr(type(P), name)

        def watched(self: InverseCorrelation, *args: object, plain: object = plain) -> object:
            seen.append(torch.get_float32_matmul_precision())
            return plain(self, *args)

        monkeypatch.setattr(type(P), name, watched)
    if setting in ("high", "medium"):
        torch.set_float32_matmul_precision(setting)
    elif setting == "cuda":
        torch.backends.cuda.matmul.fp32_precision = "tf32"
    elif setting == "mkldnn":
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    else:
        torch.backends.fp32_precision = "tf32"
    before = read_settings()
    P.update(torch.ones(24))
    P.apply(torch.ones(24))
    P.apply_(torch.ones(2, 24))
    assert seen[:1] + seen[-1:] == ["highest", "highest"]
    assert set(seen) == {"highest"}
    assert read_settings() == before
    with pytest.raises(ValueError, match="finite"):
        P.update(torch.full((24,), torch.nan))
    assert read_settings() == before


@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="settings that torch has from 2.9 on")
def test_a_backend_that_inherits_its_setting_goes_on_inheriting(settings: None) -> None:
    torch.backends.fp32_precision = "tf32"
    with exact_arithmetic(torch.device("cpu")):
        pass
    torch.backends.fp32_precision = "ieee"
    assert torch.backends.cuda.matmul.fp32_precision == "ieee"


@forms
@pytest.mark.parametrize("max_rank", [None, 5])
def test_p_may_be_made_in_inference_mode_and_changed_outside_and_the_other_way_round(
    form: str, max_rank: int | None
) -> None:
    """With growth, compressions, widening, a repair, a reset and a load on either side."""

    def life(P: InverseCorrelation, inputs: torch.Tensor) -> None:
        P.update(inputs)
        tensor = P._matrix if form == "dense" else P._core
        tensor[0, 0] = -1e-6
        with pytest.warns(RuntimeWarning, match="repaired"):
            P.update(torch.eye(24)[0] if form == "dense" else P.basis[0])
        P.load_state_dict(P.state_dict())
        P.update(inputs[:2] * 1e3)
        P.reset()
        P.update(inputs[0])

    inputs = independent(40, 24) / 4
    with torch.inference_mode():
        inside, copied = make(form, max_rank), copy.deepcopy(make(form, max_rank))
        pickled = pickle.loads(pickle.dumps(inside))
        inside.update(inputs.clone())
    for P in (inside, copied, pickled):
        life(P, inputs)
    outside = make(form, max_rank)
    with torch.inference_mode():
        life(outside, inputs)
    life(outside, inputs)
    assert not any(value.is_inference() for value in vars(outside).values() if isinstance(value, torch.Tensor))


@forms
def test_the_estimator_may_be_made_in_inference_mode(form: str) -> None:
    with torch.inference_mode():
        estimator = RecursiveLeastSquares(3, 2, 0.1, estimator=form)
        estimator.update(torch.ones(3), torch.ones(2))
    estimator.update(torch.ones(3), torch.ones(2))
    with torch.inference_mode():
        copied = copy.deepcopy(estimator)
    copied.update(torch.ones(3), torch.ones(2))
    assert copied.inverse_correlation.num_updates == 3
