"""Layers with the inverse correlation matrices of their inputs, and those inputs over all processes."""

from dataclasses import dataclass

import torch.distributed as dist
from torch import Tensor

from rls.base import InverseCorrelation
from rls.distributed import gathered_rows, mean_over_processes
from rls.layers import InputTap


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
    group: int  # number of its parameter group

    @property
    def inverse_correlation(self) -> InverseCorrelation:
        """The P of a layer that has one. Raises ValueError for a convolution with groups."""
        if len(self.inverse_correlations) != 1:
            raise ValueError(f"Layer {self.name!r} has {len(self.inverse_correlations)} P: see inverse_correlations.")
        return self.inverse_correlations[0]

    def inputs(self) -> Tensor | None:
        """What goes into P, (b, groups, p): of all backward passes since the gradient was empty."""
        inputs = self.tap.inputs()
        return inputs if inputs is None else inputs.to(self.weight.device)

    def no_inputs(self) -> Tensor:
        """What goes into P of an empty batch, (0, groups, p)."""
        return self.weight.new_zeros(0, len(self.inverse_correlations), self.inverse_correlations[0].dim)

    def require(self, inputs: Tensor | None) -> Tensor:
        """The inputs. Raises RuntimeError where there are none."""
        if inputs is None:
            raise RuntimeError(
                f"Layer {self.name!r} has a gradient but no input on record: create the optimizer before the forward "
                "pass, call the layer itself (not its weight), and call step() once after each backward pass."
            )
        return inputs

    def check(
        self,
        inputs: Tensor,  # (b, groups, p)
    ) -> None:
        """Raise what `precondition` would raise, and change nothing."""
        for index, P in enumerate(self.inverse_correlations):
            try:
                P.check_update(inputs[:, index])
            except (ValueError, ArithmeticError) as error:
                raise type(error)(f"Layer {self.name!r}: {error}") from error

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


def inputs_of(layers: list[PreconditionedLayer]) -> list[Tensor]:
    """Inputs of all layers, over all processes."""
    seen = [layer.inputs() for layer in layers]
    spread = [index for index, layer in enumerate(layers) if layer.process_group is not None]
    virtual = [index for index in spread if layers[index].block == "virtual"]
    if virtual:
        group = layers[virtual[0]].process_group
        shapes = [(1, len(layers[i].inverse_correlations), layers[i].inverse_correlations[0].dim) for i in virtual]
        here = [None if (inputs := seen[i]) is None or len(inputs) == 0 else inputs for i in virtual]
        means = mean_over_processes(here, shapes, layers[virtual[0]].weight, group)
        for index, mean in zip(virtual, means, strict=True):
            seen[index] = seen[index] if mean is None else mean
    for index in spread:
        if layers[index].block == "exact":
            own = seen[index]
            rows = gathered_rows(layers[index].no_inputs() if own is None else own, layers[index].process_group)
            seen[index] = rows if len(rows) else own
    return [layer.require(inputs) for layer, inputs in zip(layers, seen, strict=True)]
