"""Online descent on the target filter's loss: BGD-DiMP, RLS-DiMP, and RLS-DiMP with the Gauss-Newton step length.

They stand in for DiMP's steepest descent after the first frame and minimize the same loss.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from ltr.common.transfer import upload
from ltr.models.target_classifier.loss import FilterLoss
from rls.base import InverseCorrelation
from rls.checks import check_at_least_one, check_choice
from rls.inverse_correlation import make_inverse_correlation
from rls.virtual_input import random_signs

Optimized = tuple[Tensor, list[Tensor], list[Tensor]]  # filter, every iterate, losses


class FilterLearner(Protocol):
    """What improves a filter on samples: DiMP's steepest descent, or an online optimizer in its place."""

    def __call__(
        self,
        weights: Tensor,  # (1, C, k, k)
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) xywh in crop pixels
        sample_weight: Tensor | None = None,  # (N,)
        num_iter: int | None = None,
        compute_losses: bool = True,
    ) -> Optimized: ...


class LossOfSamples(Protocol):
    """The network's part of the loss: its steepest descent, `DiMPSteepestDescentGN` or that of PrDiMP."""

    def loss(
        self,
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) xywh in crop pixels
        filter_size: int,
        sample_weight: Tensor | None = None,  # (N,)
    ) -> FilterLoss: ...


class FilterPreconditioner:
    """P of all virtual inputs so far, which multiplies the gradients of a filter (Eq. 41).

    P starts at I / delta, and is kept until `reset`. Each update takes in the virtual input of the current samples
    (Eq. 44), from every `virtual_input_stride`-th score position in both directions (1: paper, 2: authors' code). With
    `virtual_inputs` k > 1 it is the first of a block of k rows, which is one step of forgetting; the others are the
    same sum with random signs, and sketch the scatter of the samples about their mean (docs/rls_theory.md).
    `reset_interval` n sets P back to I / delta at every n-th update (authors' code: 100, against the errors of its
    float16 P).
    """

    def __init__(
        self,
        delta: float = 0.1,
        beta: float = 1.0,
        estimator: Literal["low_rank", "dense"] = "low_rank",
        dtype: torch.dtype = torch.float32,
        max_rank: int | None = 256,
        virtual_input_stride: int = 1,
        reset_interval: int | None = None,
        virtual_inputs: int = 1,
    ) -> None:
        check_choice("estimator", estimator, ("low_rank", "dense"))
        self.delta = delta
        self.beta = beta
        self.estimator = estimator
        self.dtype = dtype
        self.max_rank = max_rank
        self.virtual_input_stride = virtual_input_stride
        self.reset_interval = reset_interval
        self.virtual_inputs = check_at_least_one("virtual_inputs", virtual_inputs)
        self.P: InverseCorrelation | None = None  # made by the first update, which knows its size
        self._signs = torch.Generator()
        self.reset()

    def reset(self, seed: int = 0) -> None:
        """Back to P = I / delta; the random signs start from the seed."""
        self.num_updates = 0
        self._signs.manual_seed(seed)
        if self.P is not None:
            self.P.reset()

    def update(
        self,
        loss: FilterLoss,
        weights: Tensor,  # (1, C, k, k)
        scores: Tensor,  # (N, H', W')
    ) -> Tensor:  # (1, C, k, k)
        """Take the samples of a loss into P (Eq. 18, 19), and return the gradient, which the same pass gives.

        Raises what `InverseCorrelation.update` raises.
        """
        signs = None
        if self.virtual_inputs > 1:
            signs = upload(random_signs(self.virtual_inputs - 1, scores.shape, self._signs), scores.device)
        gradient, rows = loss.gradient_and_virtual_inputs(weights, scores, self.virtual_input_stride, signs)
        if self.P is None:
            self.P = make_inverse_correlation(
                self.estimator, rows.shape[1], self.delta, self.beta, self.max_rank, self.dtype, rows.device
            )
        self.P.update(rows, one_step=True)
        self.num_updates += 1
        if self.reset_interval is not None and self.num_updates % self.reset_interval == 0:
            self.P.reset()
        return gradient

    def apply(self, gradient: Tensor) -> Tensor:  # (1, C, k, k)
        """∇L P."""
        assert self.P is not None
        return self.P.apply(gradient.reshape(1, -1)).reshape(gradient.shape)


class OnlineDescent(ABC):
    """`num_iter` steps along the gradient, or the gradient times P, then f <- (1 - a) f_before + a f.

    `loss` is the network's steepest descent, which defines the loss; `ema_coefficient` is a, the
    alpha of the paper's moving-average baselines (1: no averaging). A subclass says how long a step is.
    """

    preconditioner: FilterPreconditioner | None = None

    def __init__(self, loss: LossOfSamples, num_iter: int = 5, ema_coefficient: float = 1.0) -> None:
        if not 0 < ema_coefficient <= 1:
            raise ValueError(f"expected 0 < ema_coefficient <= 1, found {ema_coefficient}")
        self.loss = loss
        self.num_iter = num_iter
        self.ema_coefficient = ema_coefficient
        self.gradient_norms: list[tuple[Tensor, Tensor]] = []  # of the last call that computed losses; see `update`

    @property
    def P(self) -> InverseCorrelation | None:
        """None without a preconditioner, and before the first update."""
        return None if self.preconditioner is None else self.preconditioner.P

    def reset(self, seed: int = 0) -> None:
        """Forget what earlier calls left behind, at the first frame of a video; `seed` is that of random signs."""
        if self.preconditioner is not None:
            self.preconditioner.reset(seed)

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
        The two lines that make RLS-DiMP of BGD-DiMP are those with the preconditioner (Algorithm 2).
        """
        num_iter = self.num_iter if num_iter is None else num_iter
        loss = self.loss.loss(feat, bb, weights.shape[-1], sample_weight)
        start, iterates, losses, norms = weights, [weights], [], []
        scores: Tensor | None = None
        for iteration in range(num_iter):
            scores = loss.scores(weights) if scores is None else scores
            if iteration == 0 and self.preconditioner is not None:
                gradient = self.preconditioner.update(loss, weights, scores)  # once in a call: P_n by Eq. 18, 19 and 44
            else:
                gradient = loss.gradient(weights, scores)
            direction = gradient if self.preconditioner is None else self.preconditioner.apply(gradient)  # Eq. 41
            if compute_losses:
                losses.append(loss.value(weights, scores))
                norms.append((gradient.norm(), direction.norm()))
            weights, scores = self._step(loss, weights, scores, gradient, direction)
            iterates.append(weights)
        if self.ema_coefficient < 1:
            weights, scores = torch.lerp(start, weights, self.ema_coefficient), None
            iterates.append(weights)
        if compute_losses:
            losses.append(loss.value(weights, loss.scores(weights) if scores is None else scores))
            self.gradient_norms = norms
        return weights, iterates, losses

    __call__ = update

    @abstractmethod
    def _step(
        self,
        loss: FilterLoss,
        weights: Tensor,  # (1, C, k, k)
        scores: Tensor,  # (N, H', W') of these weights
        gradient: Tensor,  # (1, C, k, k)
        direction: Tensor,  # (1, C, k, k)
    ) -> tuple[Tensor, Tensor | None]:
        """The next filter; and its scores, where they come without another product with the features."""


class BatchGradientDescent(OnlineDescent):
    """BGD-DiMP: steps f <- f - step_length * gradient."""

    def __init__(
        self, loss: LossOfSamples, step_length: float, num_iter: int = 5, ema_coefficient: float = 1.0
    ) -> None:
        if step_length <= 0:
            raise ValueError(f"expected step_length > 0, found {step_length}")
        super().__init__(loss, num_iter, ema_coefficient)
        self.step_length = step_length

    def _step(
        self, loss: FilterLoss, weights: Tensor, scores: Tensor, gradient: Tensor, direction: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        return weights - self.step_length * direction, None


class RLSBatchGradientDescent(BatchGradientDescent):
    """RLS-DiMP: every gradient is multiplied by the inverse correlation matrix P of all virtual inputs so far (Eq. 41).

    P is updated once in a call, before the first step, and is kept between calls; see `FilterPreconditioner`.
    """

    preconditioner: FilterPreconditioner

    def __init__(
        self,
        loss: LossOfSamples,
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
        virtual_inputs: int = 1,
    ) -> None:
        super().__init__(loss, step_length, num_iter, ema_coefficient)
        self.preconditioner = FilterPreconditioner(
            delta, beta, estimator, dtype, max_rank, virtual_input_stride, reset_interval, virtual_inputs
        )


class RLSSteepestDescent(OnlineDescent):
    """RLS-DiMP without a step length: f <- f - alpha d along d = g P, with the step that DiMP takes along g.

        alpha = <g, d> / (|J d|² + lambda |d|²)

    J is the Gauss-Newton Jacobian of the loss in the filter: alpha minimizes the quadratic model of the loss along d,
    whatever P is, so that no step raises it (docs/rls_theory.md). The learnt factor on DiMP's step is left out: it
    belongs to the gradient's direction. P is that of `RLSBatchGradientDescent`.
    """

    preconditioner: FilterPreconditioner

    def __init__(
        self,
        loss: LossOfSamples,
        num_iter: int = 5,
        ema_coefficient: float = 1.0,
        **inverse_correlation: Any,  # arguments of `FilterPreconditioner`
    ) -> None:
        super().__init__(loss, num_iter, ema_coefficient)
        self.preconditioner = FilterPreconditioner(**inverse_correlation)

    def _step(
        self, loss: FilterLoss, weights: Tensor, scores: Tensor, gradient: Tensor, direction: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        # Of size 1, so that squares are in the range of float32; 0 stays 0.
        direction = direction / direction.abs().max().clamp(min=torch.finfo(direction.dtype).tiny)
        change = loss.scores(direction)
        curvature = loss.curvature(scores, change) + loss.reg * direction.square().sum()
        alpha = (gradient * direction).sum() / curvature
        alpha = alpha.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)  # no gradient, or no curvature: the filter stays
        return weights - alpha * direction, scores - alpha * change  # the scores are linear in the filter
