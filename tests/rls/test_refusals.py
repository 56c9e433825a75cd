"""RLSSGD on what torch accepts: every layer has its P or says why not, forward passes work, refusals change nothing."""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils._pytree import tree_leaves

from rls import RLSSGD
from rls.layers import PlainGradientWarning

X = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.factor = nn.Linear(6, 5), nn.Linear(5, 3), 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x) * self.factor)


def backward(net: nn.Module, optimizer: RLSSGD, x: Tensor = X) -> None:
    optimizer.zero_grad()
    net(x).square().mean().backward()


def step(net: nn.Module, optimizer: RLSSGD, x: Tensor = X) -> None:
    backward(net, optimizer, x)
    optimizer.step()


def trained(**options: Any) -> tuple[Net, RLSSGD]:
    torch.manual_seed(1)
    net = Net()
    optimizer = RLSSGD(net, **{"lr": 0.1, "delta": 1.0, "momentum": 0.9, **options})
    step(net, optimizer)
    return net, optimizer


def counts(optimizer: RLSSGD) -> list[int]:
    return [P.num_updates for layer in optimizer.layers for P in layer.inverse_correlations]


def everything(net: nn.Module, optimizer: RLSSGD) -> dict[str, Any]:
    gradients = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    return copy.deepcopy({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "gradients": gradients})


def assert_same(first: Any, second: Any) -> None:
    ours, its = tree_leaves(first), tree_leaves(second)
    assert len(ours) == len(its)
    for one, other in zip(ours, its, strict=True):
        assert torch.equal(one, other) if isinstance(one, Tensor) else one == other


def pruned(layer: nn.Module) -> nn.Module:
    return prune.l1_unstructured(layer, "weight", amount=0.5)


COMPUTED = [
    parametrizations.weight_norm,
    parametrizations.spectral_norm,
    parametrizations.orthogonal,
    pruned,
    nn.utils.spectral_norm,
]


@pytest.mark.parametrize("make", COMPUTED)
@pytest.mark.parametrize("layer", [nn.Linear(6, 3), nn.Conv1d(2, 3, 3)], ids=str)
def test_layers_with_a_computed_weight_get_plain_sgd_with_a_warning(
    make: Callable[[nn.Module], nn.Module], layer: nn.Module
) -> None:
    net = nn.Sequential(make(copy.deepcopy(layer)))
    x = X if isinstance(layer, nn.Linear) else torch.randn(4, 2, 5)
    with pytest.warns(PlainGradientWarning, match="Layer '0' has a weight computed from other parameters"):
        optimizer = RLSSGD(net, lr=0.1, delta=1.0)
    before = copy.deepcopy(net.state_dict())
    step(net, optimizer, x)
    assert optimizer.layers == []
    assert any(not torch.equal(value, before[name]) for name, value in net.state_dict().items())
    with pytest.raises(ValueError, match="Layer '0' has a weight computed"):
        RLSSGD(net, lr=0.1, delta=1.0, layers=["0"])


def test_attention_is_warned_of_and_the_rest_of_a_transformer_trains() -> None:
    net = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    with pytest.warns(PlainGradientWarning, match=r"'self_attn\.out_proj' is not called"):
        optimizer = RLSSGD(net, lr=0.1, delta=1.0)
    step(net, optimizer, torch.randn(2, 5, 8))
    assert [layer.name for layer in optimizer.layers] == ["linear1", "linear2"]
    assert counts(optimizer) == [1, 1]


def test_weights_shared_with_modules_that_have_no_p_are_refused() -> None:
    net = nn.Sequential(nn.Embedding(7, 5), nn.Linear(5, 7, bias=False))
    net[1].weight = net[0].weight
    with (
        pytest.warns(PlainGradientWarning),
        pytest.raises(ValueError, match=r"Shared layer: .*'1' and '0' hold the same one"),
    ):
        RLSSGD(net, lr=0.1, delta=1.0)


def test_lazy_layers_are_refused_before_anything_is_hooked() -> None:
    net = nn.Sequential(nn.Linear(6, 4), nn.LazyLinear(3))
    with pytest.raises(ValueError, match=r"Layer '1' is lazy.*run one forward pass"):
        RLSSGD(net, lr=0.1, delta=1.0)
    assert not any(m._forward_hooks or (m._forward_pre_hooks and m is net[0]) for m in net)


def test_a_refused_optimizer_leaves_no_hooks() -> None:
    net = Net()
    with pytest.raises(ValueError, match="delta") as refusal:
        RLSSGD([{"model": net.a}, {"model": net.b, "delta": -1.0}], lr=0.1, delta=1.0)
    assert refusal.traceback  # whose frames hold the optimizer
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


@pytest.mark.parametrize("block", ["virtual", "exact"])
@pytest.mark.parametrize(("layer", "shape"), [(nn.Linear(6, 3), (4, 6)), (nn.Conv2d(2, 3, 3, groups=1), (4, 2, 5, 5))])
def test_keywords_and_empty_batches(layer: nn.Module, shape: tuple[int, ...], block: str) -> None:
    layer, full, empty = copy.deepcopy(layer), torch.randn(shape), torch.empty(0, *shape[1:])
    twin = copy.deepcopy(layer)
    optimizer, other = (RLSSGD(each, lr=0.1, delta=1.0, block=block) for each in (layer, twin))
    layer(empty).sum().backward()
    optimizer.step()
    assert counts(optimizer) == [0]
    optimizer.zero_grad()
    for inputs in (empty, full, empty):
        layer(input=inputs).sum().backward()
    twin(full).sum().backward()
    for each in (optimizer, other):
        each.step()
    assert counts(optimizer) == counts(other) != [0]
    torch.testing.assert_close(layer.state_dict(), twin.state_dict())


def test_what_is_not_training_leaves_no_trace() -> None:
    """functional_call with other weights, transforms, tracing, export and copies, each followed by a step as usual."""
    net, twin = (trained()[0], trained()[0])
    optimizer, other = RLSSGD(net, lr=0.1, delta=1.0), RLSSGD(twin, lr=0.1, delta=1.0)
    weights = {name: value.detach().clone().requires_grad_() for name, value in net.named_parameters()}
    torch.func.functional_call(net, weights, (X,)).sum().backward()
    torch.func.grad(lambda w: torch.func.functional_call(net, w, (X,)).sum())(weights)
    torch.func.jacrev(net)(X)
    torch.vmap(net)(X)
    torch.export.export(net, (X,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its end, which torch announces
        torch.jit.trace(net, X)
    pickle.loads(pickle.dumps(net))(X).sum().backward()
    copy.deepcopy(net)(X).sum().backward()
    for each, its in ((net, optimizer), (twin, other)):
        each(X).square().mean().backward()
        its.step()
    assert counts(optimizer) == [1, 1]
    assert_same(net.state_dict(), twin.state_dict())


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_passes_count_once(reentrant: bool) -> None:
    net, optimizer = trained()
    optimizer.zero_grad()
    x = X.clone().requires_grad_()
    torch.utils.checkpoint.checkpoint(net, x, use_reentrant=reentrant).sum().backward()
    optimizer.step()
    assert counts(optimizer) == [2, 2]


def test_inputs_of_a_gradient_that_somebody_else_emptied_are_forgotten() -> None:
    """As with a step that a gradient scaler leaves out, and the model's own zero_grad."""
    net, optimizer = trained()
    backward(net, optimizer, X * float("inf"))
    net.zero_grad()
    net(X).square().mean().backward()
    optimizer.step()
    assert counts(optimizer) == [2, 2]


def test_what_cannot_be_noted_is_said_in_the_step() -> None:
    layer = nn.Linear(6, 3)
    optimizer = RLSSGD(layer, lr=0.1, delta=1.0)
    nested = torch.nested.nested_tensor([X[:2], X[2:5]], layout=torch.jagged)
    layer(nested).values().sum().backward()
    with pytest.raises(RuntimeError, match="Layer '': its input could not be noted in the forward pass"):
        optimizer.step()
    step(layer, optimizer)


def test_a_refused_step_changes_nothing() -> None:
    net, optimizer = trained()
    net.factor = float("inf")  # of the second layer's input alone
    backward(net, optimizer)
    for parameter in net.parameters():
        parameter.grad.nan_to_num_()
    before = everything(net, optimizer)
    for _ in range(2):
        with pytest.raises(ValueError, match="Layer 'b': Expected finite numbers in x"):
            optimizer.step()
        assert_same(everything(net, optimizer), before)


def test_a_broken_p_refuses_before_the_others_learn() -> None:
    net, optimizer = trained(estimator="dense")
    optimizer.layers[1].inverse_correlation._matrix.fill_(float("nan"))
    backward(net, optimizer)
    with pytest.raises(ArithmeticError, match="Layer 'b': P lost positive definiteness before update 2"):
        optimizer.step()
    assert counts(optimizer) == [1, 1]


@pytest.mark.parametrize(
    ("name", "value"),
    [("delta", 2.0), ("estimator", "dense"), ("max_rank", 3), ("block", "exact"), ("layers", ("a",)), ("beta", 1.5)],
)
def test_options_that_cannot_change_are_refused_until_they_are_set_back(name: str, value: object) -> None:
    net, optimizer = trained()
    old = optimizer.param_groups[0][name]
    backward(net, optimizer)
    before = everything(net, optimizer)
    optimizer.param_groups[0][name] = value
    with pytest.raises(ValueError, match=name):
        optimizer.step()
    optimizer.param_groups[0][name] = old
    assert_same(everything(net, optimizer), before)
    optimizer.step()
    assert counts(optimizer) == [2, 2]


def test_beta_may_change_and_is_saved() -> None:
    net, optimizer = trained()
    optimizer.param_groups[0]["beta"] = 0.5
    step(net, optimizer)
    assert [layer.inverse_correlation.beta for layer in optimizer.layers] == [0.5, 0.5]
    assert optimizer.layers[0].inverse_correlation.scale == pytest.approx(2.0)
    twin, other = trained()
    twin.load_state_dict(net.state_dict())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, its in ((net, optimizer), (twin, other)):
        step(each, its)
    assert_same(net.state_dict(), twin.state_dict())


def damaged(kind: str) -> dict[str, Any]:
    _, optimizer = trained(lr=0.5, **({"delta": 2.0} if kind == "delta" else {}))
    state = copy.deepcopy(optimizer.state_dict())
    last = state["inverse_correlations"][1][0]
    if kind == "group":
        del state["param_groups"][0]["beta"]
    elif kind == "shape":
        last["core"] = last["core"][:0]
    elif kind == "numbers":
        last["core"][0, 0] = float("nan")
    elif kind == "momentum":
        state["state"][0]["momentum_buffer"] = torch.zeros(2)
    elif kind == "parameters":
        state["param_groups"][0]["params"].pop()
    return state


@pytest.mark.parametrize("kind", ["delta", "group", "shape", "numbers", "momentum", "parameters"])
def test_a_refused_load_changes_nothing(kind: str) -> None:
    net, optimizer = trained()
    before = everything(net, optimizer)
    with pytest.raises(ValueError, match="State mismatch"):
        optimizer.load_state_dict(damaged(kind))
    assert_same(everything(net, optimizer), before)


def test_a_weight_that_was_replaced_is_said() -> None:
    net, optimizer = trained()
    pruned(net.a)
    backward(net, optimizer)
    with pytest.raises(RuntimeError, match=r"Layer 'a' no longer has the weight .* make a new optimizer"):
        optimizer.step()


def test_a_state_is_loaded_more_than_once() -> None:
    net, optimizer = trained()
    for _ in range(2):
        before = everything(net, optimizer)
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        assert_same(everything(net, optimizer), before)
