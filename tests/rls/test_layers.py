"""Inputs of layers: what their forward passes would see, as written out by autograd."""

import copy
import gc
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rls import RLSSGD
from rls.layers import (
    InputTap,
    PlainGradientWarning,
    layer_rows,
    layer_virtual_input,
    preconditionable_layers,
    sample_count,
)

LAYERS = [
    (nn.Linear(5, 4), (3, 5)),
    (nn.Linear(5, 4, bias=False), (3, 2, 5)),
    (nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2), (3, 4, 11)),
    (nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(0, 1)), (3, 4, 7, 8)),
    (nn.Conv2d(4, 6, 3, groups=2), (2, 4, 6, 5)),
    (nn.Conv2d(4, 8, 3, groups=4, bias=False), (2, 4, 6, 5)),
    (nn.Conv2d(4, 6, 4, padding="same"), (2, 4, 6, 5)),
    (nn.Conv2d(4, 6, 3, padding="valid"), (2, 4, 6, 5)),
    (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), (2, 4, 6, 5)),
    (nn.Conv1d(4, 6, 3, padding=2, padding_mode="circular", groups=2), (2, 4, 6)),
    (nn.Conv2d(4, 6, 3, padding="same", dilation=2, padding_mode="replicate"), (2, 4, 6, 5)),
    (nn.Conv3d(2, 4, (2, 3, 1), padding=(1, 0, 0)), (2, 2, 4, 5, 3)),
    (nn.Conv2d(4, 6, 3), (4, 6, 5)),
]
every_layer = pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=[str(layer) for layer, _ in LAYERS])


def joined_gradient(layer: nn.Module, output: Tensor) -> Tensor:
    gradients = torch.autograd.grad(output, [p for p in (layer.weight, layer.bias) if p is not None])
    return torch.cat([gradient.flatten(1) if gradient.ndim > 1 else gradient[:, None] for gradient in gradients], dim=1)


def first_channels(layer: nn.Module) -> list[int]:
    """The first output channel of each group: its gradient shows the inputs of the group."""
    groups = getattr(layer, "groups", 1)
    return list(range(0, len(layer.weight), len(layer.weight) // groups))


def draw(layer: nn.Module, shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return copy.deepcopy(layer).double(), torch.randn(shape, dtype=torch.float64, generator=generator)


def scores(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Outputs as (samples, channels, positions)."""
    output = layer(inputs)
    if isinstance(layer, nn.Linear):
        return output.reshape(-1, layer.out_features, 1)
    spatial = len(layer.kernel_size)
    return output.reshape(-1, output.shape[-spatial - 1], output.shape[-spatial:].numel())


@every_layer
def test_virtual_input_is_the_gradient_of_the_mean_score(layer: nn.Module, shape: tuple[int, ...]) -> None:
    layer, inputs = draw(layer, shape)
    output = scores(layer, inputs)
    assert sample_count(layer, inputs) == len(output)
    found = layer_virtual_input(layer, inputs, layer.bias is not None)
    mean = output.mean(0).sum(1) / output.shape[2] ** 0.5  # a score for each channel
    gradient = joined_gradient(layer, mean[first_channels(layer)].sum())
    torch.testing.assert_close(found, gradient[first_channels(layer)])


@every_layer
def test_rows_have_the_outputs_as_their_scores(layer: nn.Module, shape: tuple[int, ...]) -> None:
    layer, inputs = draw(layer, shape)
    rows = layer_rows(layer, inputs, layer.bias is not None)  # (n, groups, p)
    weights = layer.weight.flatten(1)
    if layer.bias is not None:
        weights = torch.cat((weights, layer.bias[:, None]), dim=1)
    per_group = weights.reshape(rows.shape[1], -1, rows.shape[2])
    products = torch.einsum("ngp,gqp->ngq", rows, per_group).flatten(1)
    expected = scores(layer, inputs).transpose(1, 2).reshape(len(rows), -1)
    torch.testing.assert_close(products, expected)


@every_layer
@pytest.mark.parametrize("block", ["virtual", "exact"])
def test_step_multiplies_each_groups_gradient_by_its_inverse(
    layer: nn.Module, shape: tuple[int, ...], block: str
) -> None:
    layer, inputs = draw(layer, shape)
    optimizer = RLSSGD(layer, lr=1.0, delta=0.5, block=block)
    before = [parameter.detach().clone() for parameter in layer.parameters()]
    output = scores(layer, inputs)
    gradient = joined_gradient(layer, output.square().sum() / len(output))
    scores(layer, inputs).square().sum().div(len(output)).backward()
    optimizer.step()
    moved = torch.cat(
        [(b - p.detach()).reshape(len(p), -1) for b, p in zip(before, layer.parameters(), strict=True)], dim=1
    )
    bias = layer.bias is not None
    groups = gradient.chunk(getattr(layer, "groups", 1))
    for index, part in enumerate(groups):
        X = layer_virtual_input(layer, inputs, bias)[index][None]
        if block == "exact":
            X = layer_rows(layer, inputs, bias)[:, index] / len(output) ** 0.5
        inverse = torch.linalg.inv(X.mT @ X + 0.5 * torch.eye(X.shape[1], dtype=X.dtype))
        torch.testing.assert_close(moved.chunk(len(groups))[index], part @ inverse)


def test_layers_by_name() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Conv1d(1, 2, 3), nn.Linear(2, 2)))
    assert list(preconditionable_layers(net)) == ["0", "2.0", "2.1"]
    assert list(preconditionable_layers(net, ["2.1"])) == ["2.1"]
    net[0].weight.requires_grad_(False)
    assert list(preconditionable_layers(net)) == ["2.0", "2.1"]
    with pytest.raises(ValueError, match=r"Expected names of trainable .* \['2\.0', '2\.1'\], got \['0'\]"):
        preconditionable_layers(net, ["0"])


def test_embeddings_are_left_alone_with_a_notice() -> None:
    net = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 2))
    twin = copy.deepcopy(net)
    with pytest.warns(PlainGradientWarning, match="Layer '0' is an embedding"):
        optimizer = RLSSGD(net, 0.1, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RLSSGD(twin, 0.1, 1.0, layers=["1"]).remove_hooks()  # chosen layers: nothing to say about others
    indices = torch.tensor([0, 3, 3])
    for model, each in ((net, optimizer), (twin, torch.optim.SGD(twin.parameters(), 0.1))):
        model(indices).square().mean().backward()
        each.step()
    torch.testing.assert_close(net[0].weight, twin[0].weight)
    assert not torch.allclose(net[1].weight, twin[1].weight)


def test_layer_called_twice_is_refused() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.cell(torch.tanh(self.cell(x)))

    net = Recurrent()
    optimizer = RLSSGD(net, 0.1, 1.0)
    with pytest.raises(RuntimeError, match="Layer 'cell' was called twice before one backward pass"):
        net(torch.randn(2, 3)).sum().backward()
    optimizer.zero_grad()
    net.cell(torch.randn(2, 3)).sum().backward()  # the refusal leaves nothing behind
    optimizer.step()


def test_hooks_go_with_their_optimizer() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), nn.Linear(3, 2))
    optimizer = RLSSGD(net, 0.1, 1.0, input_modules={net[2]: net[1]})
    assert sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()) == 4
    copied = copy.deepcopy(net)
    gc.collect()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in copied.modules())
    del optimizer
    gc.collect()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_zero_grad_forgets_inputs_of_a_step_that_was_skipped() -> None:
    net = nn.Linear(3, 2)
    optimizer = RLSSGD(net, 0.1, 1.0)
    net(torch.full((1, 3), 1e6)).sum().backward()  # as a gradient scaler leaves out a step
    optimizer.zero_grad()
    x = torch.ones(1, 3)
    net(x).sum().backward()
    optimizer.step()
    expected = torch.linalg.inv(torch.eye(4) + torch.ones(4, 4))
    torch.testing.assert_close(optimizer.layers[0].inverse_correlation.to_dense(), expected)


def test_inputs_in_half_precision_are_averaged_in_single() -> None:
    layer = nn.Linear(2, 1, bias=False)
    tap = InputTap("layer", layer, layer, bias=False, every_row=False)
    # In bfloat16 the sum of 1000 ones stays far below 1000.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(torch.ones(1000, 2, dtype=torch.bfloat16))
        assert output.dtype == torch.bfloat16
    output.sum().backward()
    found = tap.inputs()
    assert found is not None
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.ones(1, 1, 2), rtol=0, atol=0)


def test_autocast_trains() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 3))
    optimizer = RLSSGD(net, 0.2, 1.0)
    x, y = torch.randn(8, 1, 6, 6), torch.randint(3, (8,))
    losses = []
    for _ in range(30):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("first", ["optimizer", "compile"])
def test_compiled_models_step_as_others(first: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    twin, x = copy.deepcopy(net), torch.randn(4, 6)
    torch._dynamo.reset()
    optimizers = [RLSSGD(net, 0.1, 1.0), RLSSGD(twin, 0.1, 1.0)]
    compiled = torch.compile(twin, backend="eager")
    if first == "compile":
        optimizers[1] = RLSSGD(compiled, 0.1, 1.0)
    for _ in range(3):
        for model, optimizer in zip((net, compiled), optimizers, strict=True):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(net.state_dict(), twin.state_dict())
