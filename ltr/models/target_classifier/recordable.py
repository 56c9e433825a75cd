"""An update of the filter in three parts, of which a CUDA graph can record the one in the middle."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor


class RecordableUpdate:
    """Optimizer of the filter, for which host and device have separate parts; by default the device does all of it."""

    if TYPE_CHECKING:
        __call__: Callable[..., Any]  # the whole update: filter, iterates, losses

    def begin_update(self) -> Hashable | None:
        """Before `update_on_device`: what that depends on beside its arguments; None where only a call will do.

        What was recorded may be repeated, on other numbers, as long as this stays the same.
        """
        return ()

    def update_on_device(
        self,
        weights: Tensor,  # (1, C, k, k)
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) xywh in crop pixels
        sample_weight: Tensor,  # (N,)
        num_iter: int,  # at least 1
    ) -> list[Tensor]:
        """What a call starts on a CUDA device, and nothing on the host: the filter, and what `end_update` is to get."""
        return [self(weights, feat, bb, sample_weight, num_iter, compute_losses=False)[0]]

    def end_update(self, left: Sequence[Tensor]) -> None:
        """After the device has been given its part, with what `update_on_device` returned beside the filter."""
