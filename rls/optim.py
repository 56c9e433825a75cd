"""Stochastic gradient descent whose gradients pass through the memory of recursive least squares (Eq. 33, 35)."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from rls.base import InverseCorrelation
from rls.checks import check_at_least_one, check_choice, check_forgetting_factor, check_non_negative, check_positive
from rls.distributed import gathered_rows, mean_over_processes
from rls.inverse_correlation import make_inverse_correlation
from rls.layers import InputTap, Layer, groups_of, preconditionable_layers

BLOCKS = ("virtual", "exact")


@dataclass
class PreconditionedLayer:
    """A layer with the P of its inputs: one, or one for each group of a convolution."""

    name: str
    weight: Tensor
    bias: Tensor | None  # None where it is frozen, too
    tap: InputTap
    inverse_correlations: tuple[InverseCorrelation, ...]
    block: str  # "virtual" or "exact"
    process_group: dist.ProcessGroup | None

    @property
    def inverse_correlation(self) -> InverseCorrelation:
        """The P of a layer that has one. Raises ValueError for a convolution with groups."""
        if len(self.inverse_correlations) != 1:
            raise ValueError(f"Layer {self.name!r} has {len(self.inverse_correlations)} P: see inverse_correlations.")
        return self.inverse_correlations[0]

    def take_inputs(self) -> Tensor | None:
        """What goes into P, (b, groups, p): of all backward passes since the last call."""
        inputs = self.tap.take()
        return inputs if inputs is None else inputs.to(self.weight.device, self.inverse_correlations[0].dtype)

    def require(self, inputs: Tensor | None) -> Tensor:
        """The inputs. Raises RuntimeError where there are none."""
        if inputs is None:
            raise RuntimeError(
                f"Layer {self.name!r} has a gradient but no input on record: create the optimizer before the forward "
                "pass, call the layer itself (not its weight), and call step() once after each backward pass."
            )
        return inputs

    def precondition(
        self,
        inputs: Tensor,  # (b, groups, p)
        weight_decay: float,
    ) -> None:
        """Update P, then [dW, db] ← ([dW, db] + weight_decay [W, b]) P, in place in the gradients."""
        assert self.weight.grad is not None
        gradient, bias_gradient = self.weight.grad, None if self.bias is None else self.bias.grad
        if weight_decay:
            gradient.add_(self.weight, alpha=weight_decay)
            if self.bias is not None and bias_gradient is not None:
                bias_gradient.add_(self.bias, alpha=weight_decay)
        rows = gradient.flatten(1)  # the gradient itself, where its memory is in this order
        size = len(rows) // len(self.inverse_correlations)  # outputs of a group
        for index, P in enumerate(self.inverse_correlations):
            P.update(inputs[:, index], one_step=True)
            outputs = slice(index * size, (index + 1) * size)
            P.apply_(rows[outputs], None if bias_gradient is None else bias_gradient[outputs])
        if not gradient.is_contiguous():
            gradient.copy_(rows.reshape(gradient.shape))


class RLSSGD(Optimizer):
    """SGD with momentum for the Linear and convolution layers of a model, each with the memory P of its inputs.

    One step, for every layer with weight W (q, p) and bias b:

        P ← update with the virtual input x of the mini-batch (Eq. 35; sum over positions as in Eq. 44 for convolutions)
        g ← [∇W, ∇b] P                            "paper": ([∇W, ∇b] + λ [W, b]) P (Eq. 33)
        g ← g min(1, max_grad_norm / |g|)         norm over all layers
        v ← momentum v + g + λ [W, b]             "paper": without the λ term
        [W, b] ← [W, b] − lr v

    A bias counts as the weight of a constant input 1; a convolution with groups has a P for each group. Other
    parameters of the model (of norms, embeddings, layers not chosen) get plain SGD. The virtual input is the mean over
    the batch, which goes with a loss that is a mean over the batch. Several backward passes before a step pool their
    inputs. Under DistributedDataParallel, whose gradients are means over the processes, so are the inputs.

    Args:
        model: the module to train, or groups of modules with their own options, as in
            `[{"model": net.fc4}, {"model": net.fc6, "lr": 1e-3}]`. Groups may have a value of their own for all
            arguments down to `layers`.
        lr: learning rate.
        delta: regularizer δ; P_0 = I/δ multiplies the gradient, so the first effective learning rate is lr/δ.
        beta: forgetting factor β in (0, 1].
        momentum: of plain heavy-ball SGD.
        weight_decay: λ, also on biases.
        weight_decay_mode: "authors" leaves λ [W, b] outside of P, "paper" (Eq. 33) multiplies it by P.
        max_grad_norm: bound of the norm of all gradients after P, none by default.
        block: what of a mini-batch enters P: "virtual", its mean (Eq. 26, 44), or "exact", each of its b samples (of a
            convolution, each patch) with weight 1/b (Eq. 23): b times the work, and for a linear layer with squared
            loss the exact solution.
        estimator: form of P, "low_rank" or "dense"; dense is faster where p is at most twice the columns it would have.
        max_rank: bound of the columns of the low-rank form.
        layers: names, within the model, of the layers that get a P; all by default.
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
        block: str = "virtual",
        layers: Collection[str] | None = None,
        dtype: torch.dtype | None = None,
        input_modules: Mapping[nn.Module, nn.Module] | None = None,
    ) -> None:
        self.layers: list[PreconditionedLayer] = []
        self._decay_before = check_choice("weight_decay_mode", weight_decay_mode, ("authors", "paper")) == "paper"
        self._max_grad_norm = None if max_grad_norm is None else check_positive("max_grad_norm", max_grad_norm)
        self._dtype = dtype
        self._input_modules = dict(input_modules or {})
        groups = [{"model": model}] if isinstance(model, nn.Module) else [dict(group) for group in model]
        defaults = {
            "lr": lr,
            "delta": delta,
            "beta": beta,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "estimator": estimator,
            "max_rank": max_rank,
            "block": block,
            "layers": None if layers is None else tuple(layers),
        }
        super().__init__(groups, defaults)
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
        _check_options(options)
        process_group = model.process_group if isinstance(model, DistributedDataParallel) else None
        inner = model.module if isinstance(model, DistributedDataParallel) else model
        layers = preconditionable_layers(inner, options["layers"])
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        super().add_param_group({**options, "params": parameters})
        for name, layer in layers.items():
            self._add_layer(name, layer, options, process_group)

    def _add_layer(
        self, name: str, layer: Layer, options: Mapping[str, Any], process_group: dist.ProcessGroup | None
    ) -> None:
        weight, bias = layer.weight, layer.bias
        if bias is not None and not bias.requires_grad:
            bias = None
        dim = weight[0].numel() + (bias is not None)
        dtype = self._dtype or torch.promote_types(weight.dtype, torch.float32)
        source = self._input_modules.pop(layer, layer)
        tap = InputTap(name, layer, source, bias is not None, every_row=options["block"] == "exact")
        settings = (options["estimator"], dim, options["delta"], options["beta"], options["max_rank"], dtype)
        Ps = tuple(make_inverse_correlation(*settings, weight.device) for _ in range(groups_of(layer)))
        self.layers.append(PreconditionedLayer(name, weight, bias, tap, Ps, options["block"], process_group))

    @torch.no_grad()
    def precondition(self) -> None:
        """First half of `step`: update every P and multiply the gradients by it, in place."""
        decay = {parameter: group["weight_decay"] for group in self.param_groups for parameter in group["params"]}
        layers = [layer for layer in self.layers if layer.weight.grad is not None]
        for layer, inputs in zip(layers, _inputs_of(layers), strict=True):
            layer.precondition(inputs, decay[layer.weight] if self._decay_before else 0.0)

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
            ValueError, PositiveDefinitenessError: if a layer's input is not finite, or its P beyond repair; raised by
                the next step where the device is CUDA and the block virtual (`InverseCorrelation.update`).
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.precondition()
        self.descend()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients, and with them what is on record of their inputs."""
        super().zero_grad(set_to_none)
        for layer in self.layers:
            layer.tap.clear()

    def remove_hooks(self) -> None:
        """Detach from the model: its layers no longer report their inputs. Done anyway when the optimizer goes."""
        for layer in self.layers:
            layer.tap.remove()

    def state_dict(self) -> dict[str, Any]:
        """The state of torch's optimizers, and every P under "inverse_correlations"."""
        states = [[P.state_dict() for P in layer.inverse_correlations] for layer in self.layers]
        return {**super().state_dict(), "inverse_correlations": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: if the state is of a model with other layers, or of another estimator.
        """
        states = state_dict.get("inverse_correlations", [])
        expected = [len(layer.inverse_correlations) for layer in self.layers]
        if (found := [len(state) for state in states]) != expected:
            raise ValueError(
                f"State mismatch: expected {len(expected)} layers with {expected} inverse correlations, got {found}."
            )
        super().load_state_dict(state_dict)
        for layer, layer_states in zip(self.layers, states, strict=True):
            for P, state in zip(layer.inverse_correlations, layer_states, strict=True):
                P.load_state_dict(state)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()  # torch's own keeps three entries only; copies need the layers, too


def _check_options(options: Mapping[str, Any]) -> None:
    for name in ("lr", "momentum", "weight_decay"):
        check_non_negative(name, options[name])
    check_positive("delta", options["delta"])
    check_forgetting_factor(options["beta"])
    check_choice("block", options["block"], BLOCKS)
    check_choice("estimator", options["estimator"], ("dense", "low_rank"))
    if options["max_rank"] is not None:
        check_at_least_one("max_rank", options["max_rank"])


def _inputs_of(layers: list[PreconditionedLayer]) -> list[Tensor]:
    """Inputs of all layers, over all processes, before anything is changed."""
    seen = [layer.take_inputs() for layer in layers]
    spread = [index for index, layer in enumerate(layers) if layer.process_group is not None]
    virtual = [index for index in spread if layers[index].block == "virtual"]
    if virtual:
        group = layers[virtual[0]].process_group
        shapes = [(1, len(layers[i].inverse_correlations), layers[i].inverse_correlations[0].dim) for i in virtual]
        means = mean_over_processes([seen[i] for i in virtual], shapes, layers[virtual[0]].weight, group)
        for index, mean in zip(virtual, means, strict=True):
            seen[index] = mean
    for index in spread:
        if layers[index].block == "exact":
            seen[index] = gathered_rows(layers[index].require(seen[index]), layers[index].process_group)
    return [layer.require(inputs) for layer, inputs in zip(layers, seen, strict=True)]


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
            velocity = state["momentum_buffer"]
            torch.add(direction, velocity, alpha=momentum, out=velocity)  # one pass over memory
        direction = state["momentum_buffer"]
    parameter.add_(direction, alpha=-lr)
