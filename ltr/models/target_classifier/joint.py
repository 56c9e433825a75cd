"""Filters of several targets, each with its own samples and optimizer, updated at once.

All of them take each step together, in a handful of operations where one after the other needs so many for each. On a
GPU that is what an update costs. On a CPU it is the arithmetic, which stays the same, and the copy of the samples into
one tensor comes on top.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.models.target_classifier.online import BatchGradientDescent
from ltr.models.target_classifier.optimizer import DiMPSteepestDescentGN, FilterLoss

FilterOptimizer = DiMPSteepestDescentGN | BatchGradientDescent


@dataclass(frozen=True)
class FilterUpdate:
    """What one filter is to be updated with."""

    optimizer: FilterOptimizer
    weights: Tensor  # (1, C, k, k)
    feat: Tensor  # (N, C, H, W)
    bb: Tensor  # (N, 4) xywh in crop pixels
    sample_weight: Tensor  # (N,)

    def kind(self) -> tuple[object, ...]:
        """Updates of equal kind can be made together; numbers of samples may differ."""
        shapes = (self.weights.shape, self.feat.shape[1:], self.feat.device, self.feat.dtype)
        optimizer = self.optimizer
        if isinstance(optimizer, DiMPSteepestDescentGN):
            return id(optimizer), shapes
        return type(optimizer), id(optimizer.loss), optimizer.step_length, optimizer.ema_coefficient, shapes


def update_together(updates: Sequence[FilterUpdate], num_iter: int) -> list[Tensor | Exception]:
    """New filters (1, C, k, k), or what the update of a filter raised, whose optimizer then is as after that error.

    The updates are of one kind. The filters are those that the optimizers give one by one, within rounding. On a CUDA
    device nothing is read back, and what is wrong with an input of P is raised by the next update of that filter.
    """
    weights = torch.stack([update.weights for update in updates])
    most = max(len(update.feat) for update in updates)
    feat, bb, sample_weight = (
        torch.stack([_padded(getattr(update, name), most) for update in updates])
        for name in ("feat", "bb", "sample_weight")
    )
    first = updates[0].optimizer
    if isinstance(first, DiMPSteepestDescentGN):

        def optimize(weights: Tensor, feat: Tensor, bb: Tensor, sample_weight: Tensor) -> Tensor:
            optimized: Tensor = first(weights, feat, bb, sample_weight, num_iter, compute_losses=False)[0]
            return optimized

        return list(torch.vmap(optimize)(weights, feat, bb, sample_weight))
    optimizers = [update.optimizer for update in updates if isinstance(update.optimizer, BatchGradientDescent)]
    return _descend(optimizers, weights, feat, bb, sample_weight, num_iter)


def _descend(
    optimizers: list[BatchGradientDescent],
    weights: Tensor,  # (R, 1, C, k, k)
    feat: Tensor,  # (R, N, C, H, W)
    bb: Tensor,  # (R, N, 4)
    sample_weight: Tensor,  # (R, N)
    num_iter: int,
) -> list[Tensor | Exception]:
    """`BatchGradientDescent.update` of R filters: the gradients together, what each optimizer does to its own apart."""
    loss = optimizers[0].loss
    filter_size = weights.shape[-1]

    def maps(feat: Tensor, bb: Tensor, sample_weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        of_run = loss.loss(feat, bb, filter_size, sample_weight)
        return of_run.label, of_run.mask, of_run.weight

    labels, masks, position_weights = torch.vmap(maps)(feat, bb, sample_weight)
    reg = loss.loss(feat[0], bb[0], filter_size, sample_weight[0]).reg

    def gradient(weights: Tensor, feat: Tensor, label: Tensor, mask: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        of_run = FilterLoss(feat, label, mask, weight, reg)
        scores = of_run.scores(weights)
        return of_run.gradient(weights, scores), scores

    start = weights
    errors: dict[int, Exception] = {}
    for iteration in range(num_iter):
        gradients, scores = torch.vmap(gradient)(weights, feat, labels, masks, position_weights)
        directions = []
        for run, optimizer in enumerate(optimizers):
            direction = gradients[run]
            if run not in errors:
                try:
                    if iteration == 0:
                        of_run = FilterLoss(feat[run], labels[run], masks[run], position_weights[run], reg)
                        optimizer._begin(of_run, weights[run], scores[run], sample_weight[run])
                    direction = optimizer._precondition(direction)
                except Exception as error:  # the other filters go on
                    errors[run] = error
            directions.append(direction)
        weights = weights - optimizers[0].step_length * torch.stack(directions)
    if optimizers[0].ema_coefficient < 1:
        weights = torch.lerp(start, weights, optimizers[0].ema_coefficient)
    return [errors.get(run, filter) for run, filter in enumerate(weights)]


def _padded(samples: Tensor, count: int) -> Tensor:
    """Zeros up to `count` samples: with weight zero they are none."""
    missing = count - len(samples)
    return samples if missing == 0 else F.pad(samples, (0, 0) * (samples.ndim - 1) + (0, missing))
