"""Steps of gradient descent on the gradients of several iterations."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD


class AccumulatedSGD(SGD):
    """SGD that takes a step at every `accumulate`-th call only, with the sum of the gradients since the last step.

    The sum is part of the state, so that a training can stop between two steps. Its norm is limited to `max_norm`.
    """

    def __init__(
        self, params: Any, lr: float, *, accumulate: int, max_norm: float | None, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(params, lr, momentum=momentum, weight_decay=weight_decay)
        self.accumulate = accumulate
        self.max_norm = max_norm
        for group in self.param_groups:
            group["calls"] = 0

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        trained = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        for parameter in trained:
            before = self.state[parameter].get("gradient_sum", 0)
            self.state[parameter]["gradient_sum"] = before + parameter.grad
        for group in self.param_groups:
            group["calls"] += 1
        if self.param_groups[0]["calls"] % self.accumulate == 0:
            self._step_on_the_sum()
        return loss

    def _step_on_the_sum(self) -> None:
        parameters = [p for group in self.param_groups for p in group["params"] if "gradient_sum" in self.state[p]]
        for parameter in parameters:
            parameter.grad = self.state[parameter].pop("gradient_sum")
        if self.max_norm is not None:
            clip_grad_norm_(parameters, self.max_norm)
        super().step()
