"""A watch over online learning: updates of a filter that do harm are seen, undone and counted."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ltr.models.target_classifier.online import FilterLearner, OnlineDescent, Optimized
from ltr.models.target_classifier.optimizer import SteepestDescent


class RejectedUpdateWarning(RuntimeWarning):
    """An update of what is learnt online did harm, and was undone."""


class UpdateGuard:
    """Undoes an update after which the loss is not finite, or higher than before it: the filter is what it was.

    The loss is what the network's steepest descent lowers, on the samples and weights of the update. That and
    `OnlineDescent` tell it, for one product with the features at most; any other learner is measured, for two.

    What a learner remembers is left to it. P keeps the inputs of an update that is undone: they have been seen,
    whatever became of the step, and the next step along them is shorter for it.

    A rise of less than √ε of the loss is none, ε the rounding unit of its type. A score is a sum of p = C k² products,
    whose rounding is about ε √p of their size, 1e-5 for p = 8192 in float32; where the residuals are a tenth of the
    scores, that is 2e-4 of their squares, and √ε is 3.5e-4. Nor is it a way to diverge: at that rate it takes 2,000
    updates to double the loss.
    """

    def __init__(self, loss: SteepestDescent) -> None:
        self.loss = loss
        self.num_rejected = 0
        self.last = math.nan, math.nan  # losses before and after the last update, undone or not

    @torch.no_grad()
    def __call__(
        self,
        learner: FilterLearner,
        weights: Tensor,  # (1, C, k, k)
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) xywh in crop pixels
        sample_weight: Tensor | None = None,  # (N,)
        num_iter: int | None = None,
        compute_losses: bool = False,
    ) -> Optimized:
        """What the learner returns, with the filter of before where the update is undone."""
        tells = learner is self.loss or type(learner).__call__ is OnlineDescent.__call__
        before, measured = weights, []
        if not tells:
            before = weights.clone()  # it may be changed in place
            measured.append(self._value(before, feat, bb, sample_weight))
        found, iterates, losses = learner(
            weights,
            feat=feat,
            bb=bb,
            sample_weight=sample_weight,
            num_iter=num_iter,
            compute_losses=tells or compute_losses,
        )
        if tells:
            measured = [self.loss.objective(losses[0], before), self.loss.objective(losses[-1], found)]
        else:
            measured.append(self._value(found, feat, bb, sample_weight))
        if self._is_harm(torch.stack(measured)):
            self.num_rejected += 1
            found = before
        return found, iterates, losses

    def _value(self, filter: Tensor, feat: Tensor, bb: Tensor, sample_weight: Tensor | None) -> Tensor:
        loss = self.loss.loss(feat, bb, filter.shape[-1], sample_weight)
        return self.loss.objective(loss.value(filter, loss.scores(filter)), filter)

    def _is_harm(self, losses: Tensor) -> bool:  # (2,) before and after
        before, after = self.last = tuple(losses.tolist())  # the one time that the host waits
        return not math.isfinite(after) or after - before > math.sqrt(torch.finfo(losses.dtype).eps) * abs(before)
