"""Stochastic gradient descent whose gradients pass through the memory of recursive least squares (Eq. 33, 35)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from rls.base import InverseCorrelation
from rls.checks import check_choice, check_forgetting_factor, check_non_negative, check_positive
from rls.inverse_correlation import make_inverse_correlation
from rls.virtual_input import conv_layer_virtual_input, linear_virtual_input

Layer = nn.Linear | nn.Conv2d


class InputTap:
    """Mean virtual input of one layer over the forward passes that a backward pass has reached since the last `take`.

    A forward pass that no gradient comes back from, such as an evaluation, leaves no trace.
    """

    def __init__(
        self,
        layer: Layer,
        source: nn.Module,  # the module whose input counts as the layer's: itself, or e.g. the dropout before it
        bias: bool,
    ) -> None:
        self._layer = layer
        self._bias = bias
        self._pending: tuple[Tensor, int] | None = None
        self._total: Tensor | None = None
        self._count = 0
        self._handles = (
            source.register_forward_pre_hook(self._before_forward),
            layer.register_forward_hook(self._after_forward),
        )

    def take(self) -> Tensor | None:
        """The virtual input, None if there was no pass; the next one starts afresh."""
        mean = None if self._total is None else self._total / self._count
        self._total, self._count = None, 0
        return mean

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _before_forward(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if torch.is_grad_enabled():
            self._pending = layer_virtual_input(self._layer, args[0].detach(), self._bias)

    def _after_forward(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        if self._pending is not None and output.requires_grad:
            output.register_hook(partial(self._commit, *self._pending))  # type: ignore[no-untyped-call]
        self._pending = None

    def _commit(self, virtual_input: Tensor, count: int, gradient: Tensor) -> None:
        weighted = virtual_input * count
        self._total = weighted if self._total is None else self._total + weighted
        self._count += count


@dataclass
class PreconditionedLayer:
    """A layer with the P of its virtual inputs."""

    name: str
    weight: Tensor
    bias: Tensor | None  # None where it is frozen, too
    tap: InputTap
    inverse_correlation: InverseCorrelation

    def virtual_input(self) -> Tensor:
        """That of all backward passes since the last call."""
        virtual_input = self.tap.take()
        if virtual_input is None:
            raise RuntimeError(
                f"Layer {self.name!r} has a gradient but no input on record: create the optimizer before the forward "
                "pass, call the layer itself (not its weight), and call step() once after each backward pass."
            )
        return virtual_input

    def precondition(
        self,
        virtual_input: Tensor,  # (p,)
        weight_decay: float,
    ) -> None:
        """Update P, then [dW, db] ← ([dW, db] + weight_decay [W, b]) P, in place in the gradients."""
        assert self.weight.grad is not None
        self.inverse_correlation.update(virtual_input)
        bias_gradient = None if self.bias is None else self.bias.grad
        gradient = joined(self.weight.grad, bias_gradient)
        if weight_decay:
            gradient = gradient.add(joined(self.weight, self.bias), alpha=weight_decay)
        gradient = self.inverse_correlation.apply(gradient)
        self.weight.grad.copy_(gradient[:, : self.weight[0].numel()].view(self.weight.shape))
        if bias_gradient is not None:
            bias_gradient.copy_(gradient[:, -1])


def layer_virtual_input(layer: Layer, inputs: Tensor, bias: bool) -> tuple[Tensor, int]:
    """Virtual input of a layer, and the number of samples it stands for."""
    if isinstance(layer, nn.Linear):
        rows = inputs.reshape(-1, layer.in_features)
        return linear_virtual_input(rows, bias), len(rows)
    samples = inputs.reshape(-1, *inputs.shape[-3:])
    padding = layer.padding if isinstance(layer.padding, tuple) else (0, 0)
    x = conv_layer_virtual_input(samples, layer.kernel_size, layer.stride, padding, layer.dilation, bias)
    return x, len(samples)


def joined(
    weight: Tensor,  # (q, ...)
    bias: Tensor | None,  # (q,)
) -> Tensor:
    """[W, b] as (q, p) or (q, p + 1)."""
    flat = weight.flatten(1)
    return flat if bias is None else torch.cat((flat, bias[:, None]), dim=1)


def preconditionable_layers(model: nn.Module) -> dict[str, Layer]:
    """Linear and Conv2d layers with a trainable weight, by name.

    Raises:
        TypeError: on complex weights.
        ValueError: on a convolution that has no virtual input here, or a parameter that several layers share.
    """
    layers: dict[str, Layer] = {}
    owners: dict[nn.Parameter, str] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if not isinstance(module, nn.Linear | nn.Conv2d) or not module.weight.requires_grad:
            continue
        for parameter in module.parameters(recurse=False):
            if parameter in owners:
                raise ValueError(
                    f"Shared layer: expected every parameter in one layer only, but {owners[parameter]!r} and {name!r} "
                    "hold the same one; its gradient belongs to two inputs. Freeze it, or leave it out of the model."
                )
            owners[parameter] = name
        if module.weight.is_complex():
            raise TypeError(f"Dtype mismatch: expected real weights in layer {name!r}, got {module.weight.dtype}.")
        if isinstance(module, nn.Conv2d):
            _check_convolution(name, module)
        layers[name] = module
    return layers


def _check_convolution(name: str, layer: nn.Conv2d) -> None:
    if layer.groups != 1 or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise ValueError(
            f"Expected layer {name!r} with groups=1, numeric padding and padding_mode='zeros', got {layer}. Freeze it."
        )


class RLSSGD(Optimizer):
    """SGD with momentum for the Linear and Conv2d layers of a model, each with the memory P of its virtual inputs.

    One step, for every layer with weight W (q, p) and bias b:

        P ← update with the virtual input x of the mini-batch (Eq. 35; sum over positions as in Eq. 44 for Conv2d)
        g ← [∇W, ∇b] P                            "paper": ([∇W, ∇b] + λ [W, b]) P (Eq. 33)
        g ← g min(1, max_grad_norm / |g|)         norm over all layers
        v ← momentum v + g + λ [W, b]             "paper": without the λ term
        [W, b] ← [W, b] − lr v

    A bias counts as the weight of a constant input 1. Other parameters of the model (e.g. of norms) get plain SGD.
    The virtual input is the mean over the batch, which goes with a loss that is a mean over the batch. Several backward
    passes before a step pool their inputs.

    Args:
        model: the module to train, or groups of modules with their own options, as in
            `[{"model": net.fc4}, {"model": net.fc6, "lr": 1e-3}]`.
        lr: learning rate; every group may have its own, as of delta, beta, momentum, weight_decay and estimator.
        delta: regularizer δ; P_0 = I/δ multiplies the gradient, so the first effective learning rate is lr/δ.
        beta: forgetting factor β in (0, 1].
        momentum: of plain heavy-ball SGD.
        weight_decay: λ, also on biases.
        weight_decay_mode: "authors" leaves λ [W, b] outside of P, "paper" (Eq. 33) multiplies it by P.
        max_grad_norm: bound of the norm of all gradients after P, none by default.
        estimator: form of P, "low_rank" or "dense"; dense is faster where p is at most twice the columns it would have.
        max_rank: bound of the columns of the low-rank form.
        dtype: of P; by default that of the weight, float32 at least.
        input_modules: for a layer, the module whose input is taken for the layer's own, e.g. the Dropout before it.

    Raises:
        ValueError, TypeError: if an option is unknown or out of its range, or a layer cannot be preconditioned.
    """

    def __init__(
        self,
        model: nn.Module | Iterable[Mapping[str, Any]],
        lr: float,
        delta: float,
        beta: float = 1.0,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        weight_decay_mode: str = "authors",
        max_grad_norm: float | None = None,
        estimator: str = "low_rank",
        max_rank: int | None = 256,
        dtype: torch.dtype | None = None,
        input_modules: Mapping[nn.Module, nn.Module] | None = None,
    ) -> None:
        self.layers: list[PreconditionedLayer] = []
        self._decay_before = check_choice("weight_decay_mode", weight_decay_mode, ("authors", "paper")) == "paper"
        self._max_grad_norm = None if max_grad_norm is None else check_positive("max_grad_norm", max_grad_norm)
        self._max_rank = max_rank
        self._dtype = dtype
        self._input_modules = dict(input_modules or {})
        groups = [{"model": model}] if isinstance(model, nn.Module) else [dict(group) for group in model]
        numbers = {"lr": lr, "delta": delta, "beta": beta, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(groups, {**numbers, "estimator": estimator})
        if self._input_modules:
            foreign = ", ".join(map(str, self._input_modules))
            raise ValueError(f"Expected input_modules for layers of the model that are trained, got one for {foreign}.")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add `{"model": module, ...}` with the group's own options."""
        options = {**self.defaults, **param_group}
        model = options.pop("model", None)
        if not isinstance(model, nn.Module):
            raise TypeError(f"Expected a group as {{'model': module, ...}}, got the keys {sorted(param_group)}.")
        if unknown := options.keys() - self.defaults.keys():
            raise ValueError(f"Expected options among {sorted(self.defaults)}, got {sorted(unknown)}.")
        for name in ("lr", "momentum", "weight_decay"):
            check_non_negative(name, options[name])
        check_positive("delta", options["delta"])
        check_forgetting_factor(options["beta"])
        layers = preconditionable_layers(model)
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        super().add_param_group({**options, "params": parameters})
        for name, layer in layers.items():
            self._add_layer(name, layer, options["delta"], options["beta"], options["estimator"])

    def _add_layer(self, name: str, layer: Layer, delta: float, beta: float, estimator: str) -> None:
        weight, bias = layer.weight, layer.bias
        if bias is not None and not bias.requires_grad:
            bias = None
        dim = weight[0].numel() + (bias is not None)
        dtype = self._dtype or torch.promote_types(weight.dtype, torch.float32)
        tap = InputTap(layer, self._input_modules.pop(layer, layer), bias is not None)
        P = make_inverse_correlation(estimator, dim, delta, beta, self._max_rank, dtype, weight.device)
        self.layers.append(PreconditionedLayer(name, weight, bias, tap, P))

    @torch.no_grad()
    def precondition(self) -> None:
        """First half of `step`: update every P and multiply the gradients by it, in place."""
        decay = {parameter: group["weight_decay"] for group in self.param_groups for parameter in group["params"]}
        layers = [layer for layer in self.layers if layer.weight.grad is not None]
        virtual_inputs = [layer.virtual_input() for layer in layers]  # all of them before anything is changed
        for layer, virtual_input in zip(layers, virtual_inputs, strict=True):
            layer.precondition(virtual_input, decay[layer.weight] if self._decay_before else 0.0)

    @torch.no_grad()
    def descend(self) -> None:
        """Second half of `step`: clip the gradients, move the parameters."""
        if self._max_grad_norm is not None:
            every = [parameter for group in self.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(every, self._max_grad_norm)
        decayed = {p for layer in self.layers for p in (layer.weight, layer.bias)} if self._decay_before else set()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    decay = 0.0 if parameter in decayed else group["weight_decay"]
                    sgd_step_(parameter, self.state[parameter], group["lr"], group["momentum"], decay)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step for all parameters that have a gradient.

        Raises:
            RuntimeError: if a layer has a gradient, but its input was not seen since the last step.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.precondition()
        self.descend()
        return loss

    def remove_hooks(self) -> None:
        """Detach from the model: its layers no longer report their inputs."""
        for layer in self.layers:
            layer.tap.remove()

    def state_dict(self) -> dict[str, Any]:
        """The state of torch's optimizers, and every P under "inverse_correlations"."""
        states = [layer.inverse_correlation.state_dict() for layer in self.layers]
        return {**super().state_dict(), "inverse_correlations": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: if the state is of a model with other layers, or of another estimator.
        """
        states = state_dict.get("inverse_correlations", [])
        if len(states) != len(self.layers):
            raise ValueError(f"State mismatch: expected {len(self.layers)} inverse correlations, got {len(states)}.")
        super().load_state_dict(state_dict)
        for layer, state in zip(self.layers, states, strict=True):
            layer.inverse_correlation.load_state_dict(state)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()  # torch's own keeps three entries only; copies need the layers, too


def sgd_step_(
    parameter: Tensor,
    state: dict[str, Any],  # holds the velocity
    lr: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """v ← momentum v + g + weight_decay W, W ← W − lr v; the first v is g + weight_decay W."""
    assert parameter.grad is not None
    direction = parameter.grad.add(parameter, alpha=weight_decay) if weight_decay else parameter.grad
    if momentum:
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = direction.clone()
        else:
            state["momentum_buffer"].mul_(momentum).add_(direction)
        direction = state["momentum_buffer"]
    parameter.add_(direction, alpha=-lr)
