"""Layers of a model whose gradients can pass through P: what they are, and what inputs they had.

Every layer here is a linear map of its inputs: a Linear layer of its rows, a convolution of its patches. A convolution
with groups is several maps, one for each group of channels, and each has a P of its own.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rls.virtual_input import conv_layer_virtual_input, conv_patches, linear_virtual_input

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Layer = nn.Linear | Convolution
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class PlainGradientWarning(UserWarning):
    """Parameters that look as if they belonged under P are trained without."""


def groups_of(layer: Layer) -> int:
    """Number of linear maps in the layer."""
    return 1 if isinstance(layer, nn.Linear) else layer.groups


def layer_virtual_input(
    layer: Layer,
    inputs: Tensor,  # as of the layer's forward
    bias: bool,
) -> Tensor:
    """Virtual input of each of the layer's maps, (groups, p) or (groups, p + 1)."""
    if isinstance(layer, nn.Linear):
        return linear_virtual_input(inputs.reshape(-1, layer.in_features), bias)[None]
    samples, padding = padded(layer, inputs)
    return conv_layer_virtual_input(
        samples, layer.kernel_size, layer.stride, padding, layer.dilation, bias, layer.groups
    ).reshape(layer.groups, -1)


def layer_rows(
    layer: Layer,
    inputs: Tensor,  # as of the layer's forward
    bias: bool,
) -> Tensor:
    """All inputs of each of the layer's maps, (n, groups, p) or (n, groups, p + 1): of a convolution, its patches."""
    if isinstance(layer, nn.Linear):
        rows = inputs.reshape(-1, 1, layer.in_features)
    else:
        samples, padding = padded(layer, inputs)
        patches = conv_patches(samples, layer.kernel_size, layer.stride, padding, layer.dilation)
        rank = len(layer.kernel_size)  # (N, C, *positions, *kernel) -> (N, *positions, C, *kernel)
        order = (0, *range(2, 2 + rank), 1, *range(2 + rank, 2 + 2 * rank))
        rows = patches.permute(order).reshape(-1, layer.groups, layer.weight[0].numel())
    return F.pad(rows, (0, 1), value=1.0) if bias else rows


def sample_count(layer: Layer, inputs: Tensor) -> int:
    """Samples over which a mean loss averages: rows of a Linear layer, images of a convolution."""
    dims = 1 if isinstance(layer, nn.Linear) else len(layer.kernel_size) + 1
    return math.prod(inputs.shape[:-dims])


def padded(layer: Convolution, inputs: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """Inputs as (N, C, *sizes), and the zero padding still to be added: none where it had to be done here."""
    rank = len(layer.kernel_size)
    samples = inputs.reshape(-1, *inputs.shape[-rank - 1 :])
    if layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        return samples, layer.padding
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.pad(samples, layer._reversed_padding_repeated_twice, mode=mode), (0,) * rank


def preconditionable_layers(model: nn.Module, names: Collection[str] | None = None) -> dict[str, Layer]:
    """Linear and convolution layers with a trainable weight, by name; of `names` alone, if given.

    Warns with PlainGradientWarning of trainable embeddings, whose inputs are indices.

    Raises:
        TypeError: on complex or integer weights.
        ValueError: on a parameter that several layers share, and on names of no such layer.
    """
    layers: dict[str, Layer] = {}
    owners: dict[nn.Parameter, str] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.weight.requires_grad and names is None:
            message = f"Layer {name!r} is an embedding, which has no input to remember: it gets plain SGD."
            warnings.warn(message, PlainGradientWarning, stacklevel=2)
        if not isinstance(module, LAYERS) or (names is not None and name not in names):
            continue
        if not module.weight.is_floating_point():
            raise TypeError(f"Dtype mismatch: expected real weights in layer {name!r}, got {module.weight.dtype}.")
        if not module.weight.requires_grad:
            continue
        _check_not_shared(name, module, owners)
        layers[name] = module
    if names is not None and (unknown := sorted(set(names) - layers.keys())):
        known = sorted(preconditionable_layers(model))
        raise ValueError(f"Expected names of trainable Linear or convolution layers, {known}, got {unknown}.")
    return layers


def _check_not_shared(name: str, module: nn.Module, owners: dict[nn.Parameter, str]) -> None:
    for parameter in module.parameters(recurse=False):
        if parameter in owners:
            raise ValueError(
                f"Shared layer: expected every parameter in one layer only, but {owners[parameter]!r} and {name!r} "
                "hold the same one; its gradient belongs to two inputs. Freeze it, or leave it out of the model."
            )
        owners[parameter] = name


class InputTap:
    """Inputs of one layer in the forward passes that a backward pass has reached since the last `take`.

    A forward pass that no gradient comes back from, such as an evaluation, leaves no trace. The tap's hooks are on the
    layer as long as somebody holds the tap.
    """

    def __init__(
        self,
        name: str,
        layer: Layer,
        source: nn.Module,  # the module whose input counts as the layer's: itself, or e.g. the dropout before it
        bias: bool,
        every_row: bool,  # keep all inputs, not their virtual input
    ) -> None:
        self._name = name
        self._layer = layer
        self._bias = bias
        self._every_row = every_row
        self._pending: tuple[Tensor, int] | None = None
        self._seen: list[tuple[Tensor, int]] = []
        self._backward_pass = -1
        self._handles = (
            source.register_forward_pre_hook(_Hook(self, "before_forward")),
            layer.register_forward_hook(_Hook(self, "after_forward")),
        )

    def __del__(self) -> None:
        self.remove()

    def take(self) -> Tensor | None:
        """What a mean loss over all samples seen puts into P, (b, groups, p); None without any. Starts afresh then.

        b = 1, their mean virtual input; or all inputs, divided by the root of the number of samples.
        """
        seen, samples = self._seen, sum(count for _, count in self._seen)
        self.clear()
        if not seen:
            return None
        if self._every_row:
            return torch.cat([rows for rows, _ in seen]) / math.sqrt(samples)
        if len(seen) == 1:
            return seen[0][0][None]
        total: Tensor = sum((virtual * count for virtual, count in seen), torch.zeros_like(seen[0][0]))
        return total[None] / samples

    def clear(self) -> None:
        """Forget what was seen."""
        self._seen = []
        self._backward_pass = -1

    def remove(self) -> None:
        """Take the hooks off."""
        for handle in getattr(self, "_handles", ()):
            handle.remove()

    def before_forward(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if not torch.is_grad_enabled():
            return
        inputs = args[0].detach()
        if inputs.dtype in (torch.float16, torch.bfloat16):
            inputs = inputs.float()  # a mean in half precision is none
        see = layer_rows if self._every_row else layer_virtual_input
        with torch.no_grad():
            self._pending = see(self._layer, inputs, self._bias), sample_count(self._layer, inputs)

    def after_forward(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        if self._pending is not None and output.requires_grad:
            output.register_hook(partial(self._commit, *self._pending))  # type: ignore[no-untyped-call]
        self._pending = None

    def _commit(self, inputs: Tensor, count: int, gradient: Tensor) -> None:
        backward_pass = torch._C._current_graph_task_id()
        if backward_pass == self._backward_pass:
            self.clear()
            raise RuntimeError(
                f"Layer {self._name!r} was called twice before one backward pass: its gradient is a sum over two "
                "inputs, which no single P fits. Call backward() after each forward pass, and leave layers that are "
                "used several times within one out of the optimizer's layers."
            )
        self._backward_pass = backward_pass
        self._seen.append((inputs, count))


class _Hook:
    """A hook that does not keep its tap alive; a copy belongs to the copy of the tap."""

    def __init__(self, tap: InputTap | None, method: str) -> None:
        self._tap: Callable[[], InputTap | None] = (lambda: None) if tap is None else weakref.ref(tap)
        self._method = method

    def __call__(self, *args: Any) -> None:
        if torch.compiler.is_compiling():
            torch._dynamo.graph_break()  # what a tap does is no part of the model's graph
        tap = self._tap()
        if tap is not None:
            getattr(tap, self._method)(*args)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Hook, (self._tap(), self._method)
