"""Numbers that an update sends to the host without anybody waiting for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def reads_are_free(device: torch.device) -> bool:
    """Whether reading a number from the device costs nothing, or there is no way of reading it later (other than CUDA).

    A read from a CUDA device waits for all work queued there.
    """
    return device.type != "cuda"


class Verdict:
    """A few numbers of a tensor's device, on their way to the host; on a CPU they are there at once.

    From a CUDA device they are copied into pinned memory, as soon as the work queued before has been done, and an event
    tells when they have arrived. A copy of a verdict holds the numbers themselves.
    """

    def __init__(
        self,
        numbers: Tensor,  # (n,)
    ) -> None:
        self._event: torch.cuda.Event | None = None
        self._numbers = numbers
        if numbers.device.type == "cuda":
            self._numbers = torch.empty(numbers.shape, dtype=numbers.dtype, device="cpu", pin_memory=True)
            self._numbers.copy_(numbers, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record(torch.cuda.current_stream(numbers.device))

    def read(self) -> list[float]:
        """The numbers; waits where they have not arrived yet."""
        if self._event is not None:
            self._event.synchronize()
        numbers: list[float] = self._numbers.tolist()
        return numbers

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self.read(),)


def _arrived(numbers: list[float]) -> Verdict:
    return Verdict(torch.tensor(numbers, dtype=torch.float64, device="cpu"))
