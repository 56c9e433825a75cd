"""Layers of a model whose gradients can pass through P: which they are, and what inputs they had.

Every layer here is a linear map of its inputs: a Linear layer of its rows, a convolution of its patches. A convolution
with groups is several maps, one for each group of channels, and each has a P of its own.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.parameter import is_lazy

from rls.errors import PlainGradientWarning
from rls.virtual_input import conv_layer_virtual_input, conv_patches, linear_virtual_input

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Layer = nn.Linear | Convolution
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


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

    Warns with PlainGradientWarning of trainable layers that look as if they could be among them, and cannot.

    Raises:
        TypeError: on complex or integer weights.
        ValueError: on a lazy layer, on a parameter that several modules share, and on names of no such layer.
    """
    layers: dict[str, Layer] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if names is not None and name not in names:
            continue
        if reason := _reason_for_plain_gradients(module):
            if names is not None:
                raise ValueError(f"Layer {name!r} {reason}: leave it out of the chosen layers.")
            warnings.warn(f"Layer {name!r} {reason}: it gets plain SGD.", PlainGradientWarning, stacklevel=2)
        elif isinstance(module, LAYERS) and _has_trainable_weight(name, module):
            layers[name] = module
    if names is not None and (unknown := sorted(set(names) - layers.keys())):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PlainGradientWarning)
            known = sorted(preconditionable_layers(model))
        raise ValueError(f"Expected names of trainable Linear or convolution layers, {known}, got {unknown}.")
    _check_not_shared(model, layers)
    return layers


def _reason_for_plain_gradients(module: nn.Module) -> str | None:
    """Why a module that is trained, and reminds of a layer with a P, has none."""
    if not any(parameter.requires_grad for parameter in module.parameters()):
        return None
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return "is an embedding, which has no input to remember"
    if isinstance(module, NonDynamicallyQuantizableLinear):
        return "is not called by its nn.MultiheadAttention, which uses its weight: its input is not seen"
    if isinstance(module, LAYERS) and module._parameters.get("weight") is None:
        return "has a weight computed from other parameters (by a parametrization, weight_norm, pruning or the like)"
    return None


def _has_trainable_weight(name: str, module: Layer) -> bool:
    if is_lazy(module.weight):
        raise ValueError(
            f"Layer {name!r} is lazy, its size is not known yet: run one forward pass before making the optimizer."
        )
    if not module.weight.is_floating_point():
        raise TypeError(f"Dtype mismatch: expected real weights in layer {name!r}, got {module.weight.dtype}.")
    return module.weight.requires_grad


def trainable_bias(layer: Layer) -> nn.Parameter | None:
    """The bias, where it is a parameter of its own that is trained."""
    bias = layer._parameters.get("bias")
    return bias if bias is not None and bias.requires_grad else None


def _check_not_shared(model: nn.Module, layers: dict[str, Layer]) -> None:
    """That nobody else holds a parameter of the layers."""
    owners: dict[nn.Parameter, str] = {}
    for name, layer in layers.items():
        for parameter in layer.parameters(recurse=False):
            _claim(parameter, name, owners)
    inside = {id(layer) for layer in layers.values()}
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            if id(module) not in inside and parameter in owners:
                _claim(parameter, name, owners)


def _claim(parameter: nn.Parameter, name: str, owners: dict[nn.Parameter, str]) -> None:
    if parameter in owners:
        raise ValueError(
            f"Shared layer: expected every parameter in one layer only, but {owners[parameter]!r} and {name!r} "
            "hold the same one; its gradient belongs to two inputs. Freeze it, or leave it out of the model."
        )
    owners[parameter] = name


class InputTap:
    """Inputs of one layer in the forward passes that a backward pass has reached since the gradient was last empty.

    A forward pass that no gradient comes back from, such as an evaluation, leaves no trace, and so does one with other
    weights than the layer's own (`torch.func.functional_call`). What cannot be noted is reported by `inputs`: no
    forward pass fails because of a tap. The tap's hooks are on the layer as long as somebody holds the tap.
    """

    def __init__(
        self,
        name: str,
        layer: Layer,
        source: nn.Module,  # the module whose input counts as the layer's: itself, or e.g. the dropout before it
        bias: bool,
        every_row: bool,  # keep all inputs, not their virtual input
    ) -> None:
        self.layer = layer
        self._name = name
        self._weight = layer.weight
        self._bias = bias
        self._every_row = every_row
        self._pending: tuple[Tensor, int] | str | None = None  # what was noted, or why nothing was
        self._seen: list[tuple[Tensor, int]] = []
        self._backward_pass = -1
        self._problem: str | None = None
        self._handles = (
            source.register_forward_pre_hook(_Hook(self, "before_forward"), with_kwargs=True),
            layer.register_forward_hook(_Hook(self, "after_forward")),
        )

    def __del__(self) -> None:
        self.remove()

    @property
    def is_on_its_weight(self) -> bool:
        """Whether the layer still has the weight that it had when the tap was made."""
        return self.layer._parameters.get("weight") is self._weight

    def inputs(self) -> Tensor | None:
        """What a mean loss over all samples seen puts into P, (b, groups, p); None without any.

        b = 1, their mean virtual input; or all inputs, divided by the root of the number of samples; or b = 0, where
        all batches were empty.

        Raises:
            RuntimeError: if one of the inputs could not be noted.
        """
        if self._problem is not None:
            raise RuntimeError(
                f"Layer {self._name!r}: its input could not be noted in the forward pass. {self._problem}"
            )
        if not self._seen:
            return None
        seen = [(rows, count) for rows, count in self._seen if count] or self._seen[:1]
        samples = sum(count for _, count in seen)
        if self._every_row:
            return torch.cat([rows for rows, _ in seen]) / math.sqrt(max(samples, 1))
        if len(seen) == 1:
            return seen[0][0]
        return sum((virtual * count for virtual, count in seen), torch.zeros_like(seen[0][0])) / samples

    def clear(self) -> None:
        """Forget what was seen."""
        self._seen = []
        self._backward_pass = -1
        self._problem = None

    def remove(self) -> None:
        """Take the hooks off."""
        for handle in getattr(self, "_handles", ()):
            handle.remove()

    def before_forward(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._pending = None
        if not torch.is_grad_enabled() or not self.is_on_its_weight:
            return
        try:
            self._pending = self._noted(next(iter((*args, *kwargs.values()))).detach())
        except Exception as error:  # of an input that torch takes and this does not: said where it matters, in a step
            self._pending = f"{type(error).__name__}: {error}"

    @torch.no_grad()
    def _noted(self, inputs: Tensor) -> tuple[Tensor, int]:
        """What of the inputs enters P, (b, groups, p), and the number of samples."""
        count = sample_count(self.layer, inputs)
        if inputs.dtype in (torch.float16, torch.bfloat16):
            inputs = inputs.float()  # a mean in half precision is none
        if count == 0:
            return inputs.new_zeros(0, groups_of(self.layer), self._weight[0].numel() + self._bias), 0
        if self._every_row:
            return layer_rows(self.layer, inputs, self._bias), count
        return layer_virtual_input(self.layer, inputs, self._bias)[None], count

    def after_forward(self, module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        pending, self._pending = self._pending, None
        if pending is not None and isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(partial(self._commit, pending))

    def _commit(self, pending: tuple[Tensor, int] | str, gradient: Tensor) -> None:
        backward_pass = torch._C._current_graph_task_id()
        if backward_pass == self._backward_pass:
            self.clear()
            raise RuntimeError(
                f"Layer {self._name!r} was called twice before one backward pass: its gradient is a sum over two "
                "inputs, which no single P fits. Call backward() after each forward pass, and leave layers that are "
                "used several times within one out of the optimizer's layers."
            )
        if self._weight.grad is None:  # whoever emptied the gradient: it does not contain earlier inputs
            self.clear()
        self._backward_pass = backward_pass
        if isinstance(pending, str):
            self._problem = pending
        else:
            self._seen.append(pending)


class _Hook:
    """A hook that does not keep its tap alive; a copy belongs to the copy of the tap."""

    def __init__(self, tap: InputTap | None, method: str) -> None:
        self._tap: Callable[[], InputTap | None] = (lambda: None) if tap is None else weakref.ref(tap)
        self._method = method

    def __call__(self, *args: Any) -> None:
        if torch.compiler.is_compiling():
            if torch.compiler.is_exporting():
                return
            torch._dynamo.graph_break()  # what a tap does is no part of the model's graph
        # Within a trace, or a transform of torch.func, tensors are stand-ins, and no step follows.
        if torch.jit.is_tracing() or torch._C._functorch.peek_interpreter_stack() is not None:
            return
        tap = self._tap()
        if tap is not None:
            getattr(tap, self._method)(*args)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Hook, (self._tap(), self._method)
