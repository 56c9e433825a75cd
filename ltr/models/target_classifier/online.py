"""Online gradient descent on the target filter's loss, plain and preconditioned by recursive least squares.

They stand in for DiMP's steepest descent after the first frame and minimize the same loss.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ltr.models.target_classifier.recordable import RecordableUpdate
from rls.base import InverseCorrelation
from rls.checks import check_choice
from rls.inverse_correlation import make_inverse_correlation
from rls.virtual_input import conv_virtual_input, conv_virtual_input_and_adjoint

if TYPE_CHECKING:
    from ltr.models.target_classifier.optimizer import DiMPSteepestDescentGN, FilterLoss, Optimized


class BatchGradientDescent(RecordableUpdate):
    """BGD-DiMP: `num_iter` steps f <- f - step_length * gradient, then f <- (1 - a) f_before + a f.

    `loss` is the network's `DiMPSteepestDescentGN`, whose learnt maps define the loss; `ema_coefficient` is a, the
    alpha of the paper's moving-average baselines (1: no averaging).
    """

    def __init__(
        self, loss: DiMPSteepestDescentGN, step_length: float, num_iter: int = 5, ema_coefficient: float = 1.0
    ) -> None:
        if step_length <= 0 or not 0 < ema_coefficient <= 1:
            raise ValueError(
                "expected step_length > 0 and 0 < ema_coefficient <= 1, "
                f"found step_length={step_length}, ema_coefficient={ema_coefficient}"
            )
        self.loss = loss
        self.step_length = step_length
        self.num_iter = num_iter
        self.ema_coefficient = ema_coefficient
        self.gradient_norms: list[tuple[Tensor, Tensor]] = []  # of the last call that computed losses; see `update`

    def reset(self) -> None:
        """Forget what earlier calls left behind; called at the first frame of a video."""

    @torch.no_grad()
    def update(
        self,
        weights: Tensor,  # (1, C, k, k)
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) xywh in crop pixels
        sample_weight: Tensor | None = None,  # (N,)
        num_iter: int | None = None,
        compute_losses: bool = True,
    ) -> Optimized:
        """Updated filter, its iterates (the first is the start) and the losses before each step and at the end.

        With the losses come the norms of the gradient and of what becomes of it, in `gradient_norms`, for each step.
        """
        num_iter = self.num_iter if num_iter is None else num_iter
        loss = self.loss.loss(feat, bb, weights.shape[-1], sample_weight)
        start, iterates, losses, norms = weights, [weights], [], []
        for iteration in range(num_iter):
            scores = loss.scores(weights)
            if iteration == 0:
                gradient = self._first_gradient(loss, weights, scores, sample_weight)
            else:
                gradient = loss.gradient(weights, scores)
            direction = self._precondition(gradient)
            if compute_losses:
                losses.append(loss.value(weights, scores))
                norms.append((gradient.norm(), direction.norm()))
            weights = weights - self.step_length * direction
            iterates.append(weights)
        if self.ema_coefficient < 1:
            weights = torch.lerp(start, weights, self.ema_coefficient)
            iterates.append(weights)
        if compute_losses:
            losses.append(loss.value(weights, loss.scores(weights)))
            self.gradient_norms = norms
        return weights, iterates, losses

    __call__ = update

    def _first_gradient(
        self, loss: FilterLoss, weights: Tensor, scores: Tensor, sample_weight: Tensor | None
    ) -> Tensor:
        """What happens once in a call, and the gradient of the first step."""
        self._begin(loss, weights, scores, sample_weight)
        return loss.gradient(weights, scores)

    def _begin(self, loss: FilterLoss, weights: Tensor, scores: Tensor, sample_weight: Tensor | None) -> None:
        """What happens once in a call, before the first step."""

    def _precondition(self, gradient: Tensor) -> Tensor:
        return gradient


class RLSBatchGradientDescent(BatchGradientDescent):
    """RLS-DiMP: every gradient is multiplied by the inverse correlation matrix P of all virtual inputs so far (Eq. 41).

    P starts at I / delta, is updated once in a call, before the first step, with the virtual input of the current
    samples (Eq. 44), and is kept between calls. `virtual_input_stride` 1 sums over all score positions (paper), 2
    over every second one (authors' code). `reset_interval` n sets P back to I / delta at every n-th call (authors'
    code: 100, against the errors of its float16 P).

    On a CUDA device a call reads nothing back, unless P has all its columns in use; what is wrong with an input of P is
    raised by the next call (`InverseCorrelation.update`).
    """

    def __init__(
        self,
        loss: DiMPSteepestDescentGN,
        step_length: float,
        num_iter: int = 5,
        ema_coefficient: float = 1.0,
        delta: float = 0.1,
        beta: float = 1.0,
        estimator: Literal["low_rank", "dense"] = "low_rank",
        dtype: torch.dtype = torch.float32,
        max_rank: int | None = 256,
        virtual_input_stride: int = 1,
        reset_interval: int | None = None,
    ) -> None:
        super().__init__(loss, step_length, num_iter, ema_coefficient)
        check_choice("estimator", estimator, ("low_rank", "dense"))
        self.delta = delta
        self.beta = beta
        self.estimator = estimator
        self.dtype = dtype
        self.max_rank = max_rank
        self.virtual_input_stride = virtual_input_stride
        self.reset_interval = reset_interval
        self.num_calls = 0
        self.P: InverseCorrelation | None = None
        self._left: list[Tensor] | None = None  # by P, while an update is left to the device

    def reset(self) -> None:
        """Back to P = I / delta."""
        self.num_calls = 0
        if self.P is not None:
            self.P.reset()

    def begin_update(self) -> Hashable | None:
        if self.P is None or self._resets_at(self.num_calls + 1):
            return None
        return self.P.begin_update()

    def update_on_device(
        self, weights: Tensor, feat: Tensor, bb: Tensor, sample_weight: Tensor, num_iter: int
    ) -> list[Tensor]:
        left: list[Tensor] = []
        self._left = left
        try:
            return [*super().update_on_device(weights, feat, bb, sample_weight, num_iter), *left]
        finally:
            self._left = None

    def end_update(self, left: Sequence[Tensor]) -> None:
        assert self.P is not None
        row, numbers = left
        self.P.end_update(row, numbers)
        self.num_calls += 1

    def _first_gradient(
        self, loss: FilterLoss, weights: Tensor, scores: Tensor, sample_weight: Tensor | None
    ) -> Tensor:
        # Gradient and virtual input are sums over the same features, read once for both.
        slope = loss.slope(scores)
        maps = (slope, slope * loss.residual(scores))
        virtual_input, adjoint = conv_virtual_input_and_adjoint(
            loss.feat, *maps, weights.shape[-1], self.virtual_input_stride, _count(loss, sample_weight)
        )
        self._take_in(virtual_input)
        return adjoint[None] + loss.reg * weights

    def _begin(self, loss: FilterLoss, weights: Tensor, scores: Tensor, sample_weight: Tensor | None) -> None:
        count = _count(loss, sample_weight)
        slope, size = loss.slope(scores), weights.shape[-1]
        self._take_in(conv_virtual_input(loss.feat, slope, size, self.virtual_input_stride, count))

    def _take_in(self, virtual_input: Tensor) -> None:
        """Update P."""
        device = virtual_input.device
        if self.P is None:
            self.P = make_inverse_correlation(
                self.estimator, len(virtual_input), self.delta, self.beta, self.max_rank, self.dtype, device
            )
        if self._left is not None:
            self._left += self.P.update_on_device(virtual_input.to(self.dtype))
            return
        self.P.update(virtual_input.to(self.dtype))
        self.num_calls += 1
        if self._resets_at(self.num_calls):
            self.P.reset()

    def _resets_at(self, call: int) -> bool:
        return self.reset_interval is not None and call % self.reset_interval == 0

    def _precondition(self, gradient: Tensor) -> Tensor:
        assert self.P is not None
        flat = gradient.reshape(1, -1).to(self.dtype)
        return self.P.apply(flat).to(gradient.dtype).reshape(gradient.shape)


def _count(loss: FilterLoss, sample_weight: Tensor | None) -> Tensor | int:
    """Number of samples that have a weight, left on the device."""
    return len(loss.feat) if sample_weight is None else torch.count_nonzero(sample_weight)
