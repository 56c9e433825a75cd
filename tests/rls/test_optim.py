"""RLSSGD against its equations, golden vectors and the habits of torch optimizers."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rls import RLSSGD, DenseInverseCorrelation, LowRankInverseCorrelation, oracle
from tests.shared_data import Golden, fill_by_recipe, golden


class FullyConnectedPart(nn.Module):
    """fc4-6 of MDNet under the names of the weight recipe; dropout of probability 0, as in the golden case."""

    def __init__(self) -> None:
        super().__init__()
        fc4 = nn.Sequential(nn.Linear(4608, 512), nn.ReLU())
        fc5 = nn.Sequential(nn.Dropout(0.0), nn.Linear(512, 512), nn.ReLU())
        self.layers = nn.ModuleDict({"fc4": fc4, "fc5": fc5})
        self.branches = nn.ModuleList([nn.Sequential(nn.Dropout(0.0), nn.Linear(512, 2))])

    def forward(self, x: Tensor) -> Tensor:
        return self.branches[0](self.layers["fc5"](self.layers["fc4"](x)))


SLICES = {"fc4w": (slice(None, None, 32), slice(None, None, 48)), "fc5w": (slice(None, None, 16), slice(None, None, 8))}


def golden_parameters(net: FullyConnectedPart) -> dict[str, nn.Parameter]:
    linear = {"fc4": net.layers["fc4"][0], "fc5": net.layers["fc5"][1], "fc6": net.branches[0][1]}
    return {name + leaf[0]: getattr(layer, leaf) for name, layer in linear.items() for leaf in ("weight", "bias")}


def golden_loss(net: nn.Module, case: Golden, iteration: int, dtype: torch.dtype) -> Tensor:
    positive = F.relu(case.normal("mdnet.rlspos", (96, 4608)) + 0.3)[32 * iteration : 32 * (iteration + 1)]
    negative = F.relu(case.normal("mdnet.rlsneg", (288, 4608)) - 0.1)[96 * iteration : 96 * (iteration + 1)]
    labels = torch.cat((torch.ones(32, dtype=torch.long), torch.zeros(96, dtype=torch.long)))
    return F.cross_entropy(net(torch.cat((positive, negative)).to(dtype)), labels)


def assert_close_to_max(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    error = (actual.double() - expected.double()).abs().max() / expected.double().abs().max()
    assert error <= tolerance, f"error {error:.2e} relative to the maximum, allowed {tolerance:.0e}"


# Tolerances are those of the golden README: 1e-4 for projected gradients and P, 3e-3 for float32 movements, whose
# gradient norm alone is off by 4e-4, and 1e-6 in float64.
@pytest.mark.parametrize(
    ("dtype", "estimator", "tolerance", "movement"),
    [
        (torch.float64, "low_rank", 1e-6, 1e-6),
        (torch.float32, "low_rank", 1e-4, 3e-3),
        (torch.float32, "dense", 1e-4, 3e-3),
    ],
)
def test_golden_mdnet_updates(dtype: torch.dtype, estimator: str, tolerance: float, movement: float) -> None:
    case = golden("c10_rtmdnet.npz")
    tolerance, movement = tolerance + case.draw_error, movement + case.draw_error  # weights and inputs are draws
    net = FullyConnectedPart()
    net.load_state_dict(fill_by_recipe(net.state_dict(), case, "mdnet."))
    net = net.to(dtype)
    fc5, fc6 = net.layers["fc5"], net.branches[0]
    optimizer = RLSSGD(
        [{"model": net.layers}, {"model": net.branches, "lr": 1e-3}],
        lr=1e-4,
        delta=5e-4,
        momentum=0.9,
        weight_decay=5e-4,
        max_grad_norm=10.0,
        estimator=estimator,
        input_modules={fc5[1]: fc5[0], fc6[1]: fc6[0]},
    )
    parameters = golden_parameters(net)
    initial = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    for iteration in range(3):
        key = f"f64_it{iteration}_"
        loss = golden_loss(net, case, iteration, dtype)
        assert_close_to_max(loss.detach(), case[key + "loss"], tolerance)
        optimizer.zero_grad()
        loss.backward()
        optimizer.precondition()
        for name, parameter in parameters.items():
            assert parameter.grad is not None
            assert_close_to_max(parameter.grad[SLICES.get(name, ...)], case[f"{key}g_{name}"], tolerance)
        norm = torch.stack([parameter.grad.double().norm() for parameter in parameters.values()]).norm()
        assert_close_to_max(norm, case[key + "norm"], tolerance)
        optimizer.descend()
        for name, parameter in parameters.items():
            moved = (parameter.detach() - initial[name])[SLICES.get(name, ...)]
            assert_close_to_max(moved, case[f"{key}d_{name}"], movement)
        for number, layer in zip((4, 5, 6), optimizer.layers, strict=True):
            P = layer.inverse_correlation
            probe = P.apply(case.normal(f"mdnet.probe{number}", (P.dim,)))
            assert_close_to_max(probe[:: 4 if number == 4 else 1], case[f"{key}P{number}probe"], tolerance)


def batch(seed: int = 0) -> Tensor:
    return torch.randn(16, 6, generator=torch.Generator().manual_seed(seed)).double()


def small_net(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Dropout(dropout), nn.Linear(5, 3, bias=False)).double()


def loss_of(net: nn.Module, x: Tensor) -> Tensor:
    return (net(x) - 1).square().mean()


def train(net: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Tensor]) -> list[float]:
    losses = []
    for x in batches:
        loss = loss_of(net, x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def expected_weights(batches: list[Tensor], mode: str, lr: float, delta: float, beta: float) -> list[Tensor]:
    """[W, b] of both layers of `small_net` after a step per batch, written out; momentum .9, decay .1, norm .5."""
    net = small_net()
    joined = [torch.cat((net[0].weight, net[0].bias[:, None]), 1).detach(), net[3].weight.detach().clone()]
    P = [torch.eye(7).double() / delta, torch.eye(5).double() / delta]
    velocity = [torch.zeros_like(W) for W in joined]
    for x in batches:
        W = [parameter.requires_grad_() for parameter in joined]
        hidden = F.relu(x @ W[0][:, :6].mT + W[0][:, 6])
        gradients = torch.autograd.grad((hidden @ W[1].mT - 1).square().mean(), W)
        joined = [parameter.detach() for parameter in W]
        inputs = [torch.cat((x.mean(0), torch.ones(1).double())), hidden.detach().mean(0)]
        P = [oracle.recursion_step(matrix, virtual, beta)[1] for matrix, virtual in zip(P, inputs, strict=True)]
        outside, inside = (0.1, 0.0) if mode == "authors" else (0.0, 0.1)
        steps = [(g + inside * w) @ matrix for g, w, matrix in zip(gradients, joined, P, strict=True)]
        shrink = min(1.0, 0.5 / (float(torch.stack([step.norm() for step in steps]).norm()) + 1e-6))
        velocity = [0.9 * v + shrink * g + outside * w for v, g, w in zip(velocity, steps, joined, strict=True)]
        joined = [w - lr * v for w, v in zip(joined, velocity, strict=True)]
    return joined


@pytest.mark.parametrize("mode", ["authors", "paper"])
@pytest.mark.parametrize("beta", [1.0, 0.9])
@pytest.mark.parametrize("estimator", ["low_rank", "dense"])
def test_step_is_the_one_written_out(mode: str, beta: float, estimator: str) -> None:
    net, batches = small_net(), [batch(seed) for seed in range(5)]
    optimizer = RLSSGD(net, 0.01, 0.2, beta, 0.9, 0.1, weight_decay_mode=mode, max_grad_norm=0.5, estimator=estimator)
    train(net, optimizer, batches)
    first, second = expected_weights(batches, mode, 0.01, 0.2, beta)
    torch.testing.assert_close(torch.cat((net[0].weight, net[0].bias[:, None]), 1), first)
    torch.testing.assert_close(net[3].weight, second)


def drifting_batch(step: int) -> Tensor:
    """Inputs whose mean moves, as in a video."""
    return batch(step) + torch.sin(torch.arange(6, dtype=torch.float64) + step / 40)


@pytest.mark.parametrize("mode", ["authors", "paper"])
@pytest.mark.parametrize("beta", [1.0, 0.99])
@pytest.mark.parametrize("estimator", ["low_rank", "dense"])
def test_two_hundred_steps_are_those_written_out(mode: str, beta: float, estimator: str) -> None:
    """RLS-RTMDNet's P_0 = 2000 I, and as many steps as ten updates have after a first frame's.

    Float64 rounding of P_0 against the memory it gathers: 2000 / 1e-3 ulp, hence 1e-8 relative to the weights.
    """
    net, stream = small_net(), [drifting_batch(step) for step in range(200)]
    settings = {"weight_decay_mode": mode, "max_grad_norm": 0.5, "estimator": estimator}
    train(net, RLSSGD(net, 1e-3, 5e-4, beta, 0.9, 0.1, **settings), stream)
    for layer, expected in zip((net[0], net[3]), expected_weights(stream, mode, 1e-3, 5e-4, beta), strict=True):
        found = layer.weight if layer.bias is None else torch.cat((layer.weight, layer.bias[:, None]), 1)
        assert_close_to_max(found.detach(), expected, 1e-8)


@pytest.mark.parametrize("estimator", ["low_rank", "dense"])
def test_paper_mode_is_equation_33(estimator: str) -> None:
    """One layer, no momentum, no clipping: W <- W (I - lr lambda P) - lr dL P, 200 times."""
    net = nn.Linear(6, 3).double()
    W = torch.cat((net.weight, net.bias[:, None]), 1).detach()
    P = torch.eye(7).double() / 5e-4
    optimizer = RLSSGD(net, 1e-3, 5e-4, weight_decay=0.1, weight_decay_mode="paper", estimator=estimator)
    for step in range(200):
        x = drifting_batch(step)
        train(net, optimizer, [x])
        inputs = torch.cat((x, torch.ones(16, 1).double()), 1)
        P = oracle.recursion_step(P, inputs.mean(0), 1.0)[1]
        gradient = 2 * (inputs @ W.mT - 1).mT @ inputs / (16 * 3)
        W = W @ (torch.eye(7).double() - 1e-3 * 0.1 * P) - 1e-3 * gradient @ P
    assert_close_to_max(torch.cat((net.weight, net.bias[:, None]), 1).detach(), W, 1e-8)


def test_convolutions_are_projected_like_their_flattened_weights() -> None:
    net = nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=1, dilation=(1, 2)).double()
    x = torch.randn(4, 2, 9, 8, dtype=torch.float64)
    optimizer = RLSSGD(net, lr=1.0, delta=0.5)
    before = torch.cat((net.weight.flatten(1), net.bias[:, None]), 1).detach()
    output = net(x)
    output.square().mean(0).sum().backward()
    gradient = torch.cat((net.weight.grad.flatten(1), net.bias.grad[:, None]), 1)
    optimizer.step()
    patches = F.unfold(x, (3, 2), dilation=(1, 2), padding=1, stride=(2, 1))  # (N, C kh kw, M)
    virtual = F.pad(patches.mean(0), (0, 0, 0, 1), value=1).sum(1) / patches.shape[2] ** 0.5
    P = oracle.inverse_correlation(virtual[None], 0.5)
    torch.testing.assert_close(torch.cat((net.weight.flatten(1), net.bias[:, None]), 1), before - gradient @ P)


def test_input_before_dropout_is_taken_where_asked_for() -> None:
    net = small_net(dropout=0.5)
    optimizer = RLSSGD(net, 1e-3, 0.5, estimator="dense", input_modules={net[3]: net[2]})
    plain = RLSSGD(net, 1e-3, 0.5, estimator="dense")
    loss_of(net, batch()).backward()
    hidden = F.relu(F.linear(batch(), net[0].weight, net[0].bias)).detach().mean(0)
    expected = oracle.inverse_correlation(hidden[None], 0.5)
    for each in (optimizer, plain):
        each.precondition()
    torch.testing.assert_close(optimizer.layers[1].inverse_correlation.to_dense(), expected)
    assert not torch.allclose(plain.layers[1].inverse_correlation.to_dense(), expected)


def test_micro_batches_pool_to_the_batch() -> None:
    whole, parts = small_net(), small_net()
    first, second = RLSSGD(whole, 0.1, 1.0), RLSSGD(parts, 0.1, 1.0)
    loss_of(whole, batch()).backward()
    for part in batch().split([4, 12]):
        (loss_of(parts, part) * len(part) / 16).backward()
    first.step()
    second.step()
    torch.testing.assert_close(whole.state_dict(), parts.state_dict())
    assert [layer.inverse_correlation.num_updates for layer in second.layers] == [1, 1]


def test_forward_passes_without_backward_leave_no_trace() -> None:
    nets = small_net(), small_net()
    optimizers = [RLSSGD(net, 0.1, 1.0) for net in nets]
    loss = loss_of(nets[0], batch())
    loss_of(nets[0], batch(1))  # an evaluation that forgot torch.no_grad()
    with torch.no_grad():
        loss_of(nets[0], batch(2))
    loss.backward()
    loss_of(nets[1], batch()).backward()
    for optimizer in optimizers:
        optimizer.step()
    torch.testing.assert_close(nets[0].state_dict(), nets[1].state_dict(), rtol=0, atol=0)


def test_groups_have_their_own_options() -> None:
    net = small_net()
    optimizer = RLSSGD(
        [{"model": net[0]}, {"model": net[3], "lr": 0.3, "delta": 2.0, "estimator": "dense"}], lr=0.1, delta=1.0
    )
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.3]
    assert [layer.inverse_correlation.delta for layer in optimizer.layers] == [1.0, 2.0]
    assert [type(layer.inverse_correlation) for layer in optimizer.layers] == [
        LowRankInverseCorrelation,
        DenseInverseCorrelation,
    ]
    optimizer.param_groups[0]["lr"] = 0.0  # as a scheduler would
    before = copy.deepcopy(net.state_dict())
    train(net, optimizer, [batch()])
    assert torch.equal(net[0].weight, before["0.weight"])
    assert not torch.equal(net[3].weight, before["3.weight"])


def test_parameters_outside_of_layers_get_plain_sgd() -> None:
    net = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 3)).double()
    reference = copy.deepcopy(net)
    train(net, RLSSGD(net, 0.1, 1.0, momentum=0.9, weight_decay=0.1, weight_decay_mode="paper"), [batch()])
    train(reference, torch.optim.SGD(reference.parameters(), 0.1, momentum=0.9, weight_decay=0.1), [batch()])
    torch.testing.assert_close(net[0].state_dict(), reference[0].state_dict())
    assert not torch.allclose(net[1].weight, reference[1].weight)


def test_frozen_parameters_stay() -> None:
    net = small_net()
    net[0].bias.requires_grad_(False)
    net[3].weight.requires_grad_(False)
    before = copy.deepcopy(net.state_dict())
    optimizer = RLSSGD(net, 0.1, 1.0)
    train(net, optimizer, [batch()])
    assert [layer.inverse_correlation.dim for layer in optimizer.layers] == [6]
    assert torch.equal(net[0].bias, before["0.bias"])
    assert torch.equal(net[3].weight, before["3.weight"])
    assert not torch.equal(net[0].weight, before["0.weight"])


OPTIONS = [
    {},
    {"estimator": "dense"},
    {"estimator": "dense", "dtype": torch.bfloat16},
    {"beta": 0.95},
    {"max_rank": 3},
    {"block": "exact"},
    {"block": "exact", "beta": 0.95, "estimator": "dense"},
    {"layers": ("3",)},
    {"momentum": 0.9, "weight_decay": 1e-3},
    {"momentum": 0.9, "weight_decay": 1e-3, "weight_decay_mode": "paper", "max_grad_norm": 1.0},
]
options = pytest.mark.parametrize("settings", OPTIONS, ids=str)


@options
def test_loss_goes_down(settings: dict) -> None:
    net = small_net()
    losses = train(net, RLSSGD(net, 0.2, 1.0, **settings), 60 * [batch()])
    assert losses[-1] < 0.6 * losses[0]


@options
def test_state_dict_round_trip(settings: dict) -> None:
    net, twin = small_net(), small_net()
    optimizer, other = (RLSSGD(each, 0.05, 1.0, **settings) for each in (net, twin))
    train(net, optimizer, [batch(seed) for seed in range(5)])
    twin.load_state_dict(net.state_dict())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    later = [batch(seed) for seed in range(5, 10)]
    assert train(net, optimizer, later) == train(twin, other, later)


@options
def test_deepcopy_goes_on_alike_and_apart(settings: dict) -> None:
    net = small_net()
    optimizer = RLSSGD(net, 0.05, 1.0, **settings)
    train(net, optimizer, [batch(seed) for seed in range(5)])
    twin, other = copy.deepcopy((net, optimizer))
    later = [batch(seed) for seed in range(5, 10)]
    assert train(net, optimizer, later) == train(twin, other, later)
    copied_net = copy.deepcopy(net)
    loss_of(copied_net, batch()).backward()  # the hooks of a copied model do not report to this optimizer
    assert all(layer.tap.inputs() is None for layer in optimizer.layers)


def test_closure_and_step_hooks_work_as_in_torch() -> None:
    net = small_net()
    optimizer = RLSSGD(net, 0.05, 1.0)
    calls: list[str] = []
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))

    def closure() -> float:
        optimizer.zero_grad()
        loss = loss_of(net, batch())
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == pytest.approx(loss_of(small_net(), batch()).item())
    assert calls == ["after"]


def test_backward_without_forward_is_an_error() -> None:
    net = small_net()
    loss = loss_of(net, batch())
    optimizer = RLSSGD(net, 0.1, 1.0)
    loss.backward()
    with pytest.raises(RuntimeError, match="Layer '0' has a gradient but no input on record"):
        optimizer.step()
    train(net, optimizer, [batch()])
    with pytest.raises(RuntimeError, match="call step\\(\\) once after each backward pass"):
        optimizer.step()
    optimizer.zero_grad()
    optimizer.step()  # nothing to do


def test_removed_hooks_report_no_more() -> None:
    net = small_net()
    optimizer = RLSSGD(net, 0.1, 1.0, input_modules={net[3]: net[2]})
    optimizer.remove_hooks()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    loss_of(net, batch()).backward()
    with pytest.raises(RuntimeError, match="no input on record"):
        optimizer.step()


def test_models_that_cannot_be_preconditioned_are_refused() -> None:
    layer = nn.Linear(3, 3)
    with pytest.raises(ValueError, match=r"Shared layer: .*'0' and '2' hold the same one"):
        RLSSGD(nn.Sequential(layer, nn.ReLU(), layer), 0.1, 1.0)
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    with pytest.raises(ValueError, match="Shared layer"):
        RLSSGD(tied, 0.1, 1.0)
    with pytest.raises(TypeError, match=r"expected real weights in layer '0', got torch\.complex64"):
        RLSSGD(nn.Sequential(nn.Linear(3, 3, dtype=torch.complex64)), 0.1, 1.0)
    integer = nn.Linear(3, 3)
    integer.weight = nn.Parameter(torch.ones(3, 3, dtype=torch.int32), requires_grad=False)
    with pytest.raises(TypeError, match=r"expected real weights in layer '1', got torch\.int32"):
        RLSSGD(nn.Sequential(nn.Linear(3, 3), integer), 0.1, 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -0.1}, "lr to be zero or positive"),
        ({"delta": 0.0}, "delta to be positive"),
        ({"beta": 1.5}, "forgetting factor beta"),
        ({"momentum": -0.1}, "momentum to be zero or positive"),
        ({"weight_decay": -1.0}, "weight_decay to be zero or positive"),
        ({"weight_decay_mode": "both"}, "weight_decay_mode to be one of 'authors', 'paper', got 'both'"),
        ({"max_grad_norm": 0.0}, "max_grad_norm to be positive"),
        ({"estimator": "sparse"}, "estimator to be one of 'dense', 'low_rank'"),
        ({"max_rank": 0}, "max_rank to be an integer of at least 1"),
        ({"block": "mean"}, "block to be one of 'virtual', 'exact', got 'mean'"),
        ({"layers": ("0", "fc")}, r"names of trainable Linear or convolution layers, \['0', '3'\], got \['fc'\]"),
    ],
)
def test_bad_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RLSSGD(small_net(), **{"lr": 0.1, "delta": 1.0, **settings})


def test_bad_groups_are_refused() -> None:
    net = small_net()
    with pytest.raises(TypeError, match=r"Expected a group as \{'model': module, \.\.\.\}, got the keys \['params'\]"):
        RLSSGD([{"params": list(net.parameters())}], 0.1, 1.0)
    with pytest.raises(ValueError, match=r"Expected options among .*'lr'.*, got \['learning_rate'\]"):
        RLSSGD([{"model": net, "learning_rate": 1.0}], 0.1, 1.0)
    with pytest.raises(ValueError, match="Expected input_modules for layers of the model"):
        RLSSGD(net, 0.1, 1.0, input_modules={net[2]: net[1]})


def test_foreign_states_are_refused() -> None:
    optimizer = RLSSGD(small_net(), 0.1, 1.0)
    with pytest.raises(ValueError, match=r"expected 2 layers with \[1, 1\] inverse correlations, got \[\]"):
        optimizer.load_state_dict(torch.optim.SGD(small_net().parameters(), 0.1).state_dict())
    with pytest.raises(ValueError, match=r"expected the keys .*basis"):
        optimizer.load_state_dict(RLSSGD(small_net(), 0.1, 1.0, estimator="dense").state_dict())


@pytest.mark.parametrize("estimator", ["low_rank", "dense"])
@pytest.mark.parametrize("sizes", [[24], [1] * 24, [5, 1, 12, 6]])
def test_exact_blocks_solve_the_least_squares_problem(estimator: str, sizes: list[int]) -> None:
    """A linear model with squared loss and lr = 1 is the recursive estimator on all data ever seen."""
    generator = torch.Generator().manual_seed(0)
    X, Y = (torch.randn(24, width, dtype=torch.float64, generator=generator) for width in (6, 3))
    for beta in (1.0, 0.9):
        net = nn.Linear(6, 3, bias=False).double()
        nn.init.zeros_(net.weight)
        optimizer = RLSSGD(net, lr=1.0, delta=0.5, beta=beta, block="exact", estimator=estimator, max_rank=None)
        age = [beta ** (len(sizes) - 1 - block) / size for block, size in enumerate(sizes) for _ in range(size)]
        for x, y in zip(X.split(sizes), Y.split(sizes), strict=True):
            optimizer.zero_grad()
            ((net(x) - y).square().sum(1).mean() / 2).backward()
            optimizer.step()
        weights = torch.tensor(age, dtype=torch.float64)
        ridge = 0.5 * beta ** len(sizes) * torch.eye(6, dtype=torch.float64)
        solution = torch.linalg.solve((X.mT * weights) @ X + ridge, (X.mT * weights) @ Y)
        torch.testing.assert_close(net.weight.detach(), solution.mT, rtol=0, atol=1e-9)


def test_convolutions_train_with_groups() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 8, 1, groups=8), nn.Flatten()).double()
    x = torch.randn(4, 2, 5, 5, dtype=torch.float64)
    optimizer = RLSSGD(net, 1.0, 1.0)
    assert [len(layer.inverse_correlations) for layer in optimizer.layers] == [2, 8]
    with pytest.raises(ValueError, match="Layer '2' has 8 P"):
        _ = optimizer.layers[1].inverse_correlation
    losses = train(net, optimizer, 40 * [x])
    assert losses[-1] < 0.7 * losses[0]
    twin = copy.deepcopy(net)
    other = RLSSGD(twin, 1.0, 1.0)
    other.load_state_dict(optimizer.state_dict())
    assert train(net, optimizer, [x, x]) == train(twin, other, [x, x])


def test_groups_choose_form_rank_and_block() -> None:
    net = small_net()
    optimizer = RLSSGD(
        [{"model": net[0], "estimator": "dense"}, {"model": net[3], "max_rank": 2, "block": "exact"}], 0.1, 1.0
    )
    first, second = (layer.inverse_correlation for layer in optimizer.layers)
    train(net, optimizer, [batch(seed) for seed in range(4)])
    assert isinstance(first, DenseInverseCorrelation)
    assert isinstance(second, LowRankInverseCorrelation)
    assert second.rank <= 2
    assert (first.num_updates, second.num_updates) == (4, 64)


@pytest.mark.parametrize("groups", [1, 2])
def test_memory_layout_of_the_weights_does_not_matter(groups: int) -> None:
    images = torch.randn(3, 4, 6, 5, dtype=torch.float64)
    conv = nn.Conv2d(4, 6, 3, groups=groups).double()
    other = copy.deepcopy(conv).to(memory_format=torch.channels_last)
    for module in (conv, other):
        optimizer = RLSSGD(module, lr=0.1, delta=0.5, momentum=0.9, weight_decay=0.01, weight_decay_mode="paper")
        for _ in range(3):
            optimizer.zero_grad()
            module(images).square().mean().backward()
            optimizer.step()
    assert not other.weight.grad.is_contiguous()
    torch.testing.assert_close(other.weight, conv.weight, rtol=0, atol=1e-12, check_stride=False)
    torch.testing.assert_close(other.bias, conv.bias, rtol=0, atol=1e-12)
