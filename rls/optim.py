"""Stochastic gradient descent whose gradients pass through the memory of recursive least squares (Eq. 33, 35)."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from rls.base import InverseCorrelation
from rls.checks import check_at_least_one, check_choice, check_forgetting_factor, check_non_negative, check_positive
from rls.inverse_correlation import make_inverse_correlation
from rls.layers import InputTap, Layer, groups_of, preconditionable_layers, trainable_bias
from rls.preconditioning import PreconditionedLayer, inputs_of

BLOCKS = ("virtual", "exact")
FIXED = ("delta", "estimator", "max_rank", "block", "layers")  # options that every P is made with


class RLSSGD(Optimizer):
    """SGD with momentum for the Linear and convolution layers of a model, each with the memory P of its inputs.

    One step, for every layer with weight W (q, p) and bias b:

        P ← update with the virtual input x of the mini-batch (Eq. 35; sum over positions as in Eq. 44 for convolutions)
        g ← [∇W, ∇b] P                            "paper": ([∇W, ∇b] + λ [W, b]) P (Eq. 33)
        g ← g min(1, max_grad_norm / |g|)         norm over all layers
        v ← momentum v + g + λ [W, b]             "paper": without the λ term
        [W, b] ← [W, b] − lr v

    A bias counts as the weight of a constant input 1; a convolution with groups has a P for each group. Other
    parameters of the model (of norms, embeddings, layers not chosen) get plain SGD, and so do layers whose weight is
    computed from other parameters (parametrizations, pruning): with a PlainGradientWarning. The virtual input is the
    mean over the batch, which goes with a loss that is a mean over the batch. Several backward passes before a step
    pool their inputs. Under DistributedDataParallel, whose gradients are means over the processes, so are the inputs.

    Args:
        model: the module to train, or groups of modules with their own options, as in
            `[{"model": net.fc4}, {"model": net.fc6, "lr": 1e-3}]`. Groups may have a value of their own for all
            arguments down to `layers`. `param_groups` may be changed between steps as with torch's optimizers: lr,
            beta, momentum and weight_decay, the other options are refused then.
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
        dtype: of P; by default that of the weight, float32 at least. Long inputs widen it (`rls.base`).
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
        self._fixed: list[dict[str, Any]] = []  # of each group
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
        try:
            super().__init__(groups, defaults)
            if self._input_modules:
                foreign = ", ".join(map(str, self._input_modules))
                raise ValueError(
                    f"Expected input_modules for layers of the model that are trained, got one for {foreign}."
                )
        except BaseException:
            self.remove_hooks()  # as long as somebody holds the exception, its frames would keep them on the model
            raise

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add `{"model": module, ...}` with the group's own options."""
        options = {**self.defaults, **param_group}
        model = options.pop("model", None)
        if not isinstance(model, nn.Module):
            raise TypeError(f"Expected a group as {{'model': module, ...}}, got the keys {sorted(param_group)}.")
        if unknown := options.keys() - self.defaults.keys():
            raise ValueError(f"Expected options among {sorted(self.defaults)}, got {sorted(unknown)}.")
        _check_options(options)
        inner = _unwrapped(model)
        process_groups = _process_groups(model)
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        layers = preconditionable_layers(inner, options["layers"])
        matrices = {name: self._inverse_correlations(layer, options) for name, layer in layers.items()}
        super().add_param_group({**options, "params": parameters})
        group = len(self.param_groups) - 1
        self._fixed.append({name: options[name] for name in FIXED})
        for name, layer in layers.items():
            bias, block = trainable_bias(layer), options["block"]
            source = self._input_modules.pop(layer, layer)
            tap = InputTap(name, layer, source, bias is not None, every_row=block == "exact")
            self.layers.append(
                PreconditionedLayer(
                    name, layer.weight, bias, tap, matrices[name], block, process_groups.get(layer), group
                )
            )

    def _inverse_correlations(self, layer: Layer, options: Mapping[str, Any]) -> tuple[InverseCorrelation, ...]:
        weight = layer.weight
        dim = weight[0].numel() + (trainable_bias(layer) is not None)
        dtype = self._dtype or torch.promote_types(weight.dtype, torch.float32)
        settings = (options["estimator"], dim, options["delta"], options["beta"], options["max_rank"], dtype)
        return tuple(make_inverse_correlation(*settings, weight.device) for _ in range(groups_of(layer)))

    @torch.no_grad()
    def precondition(self) -> None:
        """First half of `step`: update every P and multiply the gradients by it, in place. Raises as `step`."""
        self._check_groups()
        decay = {parameter: group["weight_decay"] for group in self.param_groups for parameter in group["params"]}
        layers = [layer for layer in self.layers if layer.weight.grad is not None]
        every_input = inputs_of(layers)
        for layer, inputs in zip(layers, every_input, strict=True):
            layer.check(inputs)
        # Nothing has been changed yet, and nothing is refused from here on.
        for layer in self.layers:
            layer.tap.clear()
            for P in layer.inverse_correlations:
                P.beta = self.param_groups[layer.group]["beta"]
        for layer, inputs in zip(layers, every_input, strict=True):
            layer.precondition(inputs, decay[layer.weight] if self._decay_before else 0.0)

    def _check_groups(self) -> None:
        """That options and layers are such as the matrices have been made for."""
        for number, (group, fixed) in enumerate(zip(self.param_groups, self._fixed, strict=True)):
            _check_options(group)
            for name, value in fixed.items():
                if group[name] != value:
                    raise ValueError(
                        f"Expected {name} of param_groups[{number}] to stay {value!r}, which its inverse correlations "
                        f"have been made with, got {group[name]!r}: set it back, or make a new optimizer."
                    )
        for layer in self.layers:
            if not layer.tap.is_on_its_weight:
                raise RuntimeError(
                    f"Layer {layer.name!r} no longer has the weight that this optimizer was made for (it was replaced, "
                    "pruned or parametrized since): make a new optimizer."
                )

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
            ValueError, PositiveDefinitenessError: if an option is out of its range or cannot be changed, a layer's
                input is not finite, or its P beyond repair. A step that is refused changes nothing.
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
        pairs = [
            (P, state)
            for layer, layer_states in zip(self.layers, states, strict=True)
            for P, state in zip(layer.inverse_correlations, layer_states, strict=True)
        ]
        for P, state in pairs:
            check_forgetting_factor(state.get("beta", P.beta))
            P.check_state_dict({**state, "beta": P.beta})
        self._check_saved_groups(state_dict)
        super().load_state_dict(state_dict)
        for P, state in pairs:
            P.beta = state["beta"]
            P.load_state_dict(state)
        for layer in self.layers:
            layer.tap.clear()

    def _check_saved_groups(self, state_dict: Mapping[str, Any]) -> None:
        """That the saved groups have the options and shapes of this optimizer's."""
        saved_groups = state_dict["param_groups"]
        if len(saved_groups) != len(self.param_groups):
            raise ValueError(f"State mismatch: expected {len(self.param_groups)} groups, got {len(saved_groups)}.")
        for saved, group, fixed in zip(saved_groups, self.param_groups, self._fixed, strict=True):
            if missing := sorted(self.defaults.keys() - saved.keys()):
                raise ValueError(
                    f"State mismatch: expected the options {sorted(self.defaults)}, {missing} are missing."
                )
            _check_options(saved)
            for name, value in fixed.items():
                if saved[name] != value:
                    raise ValueError(f"State mismatch: expected {name} = {value!r}, got {saved[name]!r}.")
            if len(saved["params"]) != len(group["params"]):
                raise ValueError(
                    f"State mismatch: expected {len(group['params'])} parameters, got {len(saved['params'])}."
                )
            for key, parameter in zip(saved["params"], group["params"], strict=True):
                velocity = state_dict["state"].get(key, {}).get("momentum_buffer", parameter)
                if velocity.shape != parameter.shape:
                    raise ValueError(
                        f"State mismatch: expected a momentum of shape {tuple(parameter.shape)}, got "
                        f"{tuple(velocity.shape)}."
                    )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()  # torch's own keeps three entries only; copies need the layers, too

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.defaults.pop("differentiable", None)  # torch's own adds this option, which is none of these groups'


def _check_options(options: Mapping[str, Any]) -> None:
    for name in ("lr", "momentum", "weight_decay"):
        check_non_negative(name, options[name])
    check_positive("delta", options["delta"])
    check_forgetting_factor(options["beta"])
    check_choice("block", options["block"], BLOCKS)
    check_choice("estimator", options["estimator"], ("dense", "low_rank"))
    if options["max_rank"] is not None:
        check_at_least_one("max_rank", options["max_rank"])


def _unwrapped(model: nn.Module) -> nn.Module:
    """The model inside of DistributedDataParallel and torch.compile."""
    while True:
        inner = model.module if isinstance(model, DistributedDataParallel) else getattr(model, "_orig_mod", None)
        if inner is None:
            return model
        model = inner


def _process_groups(model: nn.Module) -> dict[nn.Module, dist.ProcessGroup]:
    """The processes over which the gradients of each module are averaged, wherever the wrapper is."""
    wrappers = [module for module in model.modules() if isinstance(module, DistributedDataParallel)]
    return {module: wrapper.process_group for wrapper in wrappers for module in wrapper.modules()}


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
