"""A watch over the training of fc4-6: one that ends in numbers that are not finite is seen, undone and counted."""

import copy
import warnings
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ltr.models.target_classifier.guard import RejectedUpdateWarning


class TrainingGuard:
    """Undoes a training after which a loss or a weight is not finite: weights, momentum and P are what they were.

    It looks once, after all steps. It does not compare losses, as DiMP's `UpdateGuard` does: those of mini-batches go
    up and down. Random numbers that were drawn stay drawn, so that the next training takes other batches.
    """

    def __init__(self) -> None:
        self.num_rejected = 0

    def __call__(self, head: nn.Module, optimizer: Optimizer, train: Callable[[], Tensor]) -> Tensor | None:
        """Losses (n,) of a training; None of one that was undone, the first time with a RejectedUpdateWarning."""
        weights = [parameter.detach().clone() for parameter in head.parameters()]
        state = optimizer.state_dict()  # P is a copy, the momentum is not
        state["state"] = copy.deepcopy(state["state"])
        try:
            losses = train()
        except ValueError:
            # RLS refuses inputs that are not finite. Where the weights of the step before made them so, it is no error
            # of the caller.
            if _are_finite(head.parameters()):
                raise
        else:
            if _are_finite([losses, *head.parameters()]):
                return losses
        with torch.no_grad():
            for parameter, weight in zip(head.parameters(), weights, strict=True):
                parameter.copy_(weight)
        optimizer.load_state_dict(state)
        head.eval()
        self.num_rejected += 1
        if self.num_rejected == 1:
            warnings.warn(
                "a training of fc4-6 ended in numbers that are not finite and was undone; more of them in this "
                "sequence are only counted ('rejected_updates'). Choose lower learning rates (init_learning_rate, "
                "update_learning_rate, fc6_learning_rate_factor) or a lower max_grad_norm",
                RejectedUpdateWarning,
                stacklevel=3,
            )
        return None


def _are_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all their numbers are: the one time that the host waits for the device."""
    return bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())
