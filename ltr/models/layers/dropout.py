"""Dropout with a random generator of its own."""

import torch
from torch import Tensor, nn

from ltr.common.transfer import upload


class SeededDropout(nn.Module):
    """Dropout whose masks come from a CPU generator: the same on every device, whatever else draws random numbers.

    Without a generator it uses torch's global one.
    """

    def __init__(self, p: float = 0.5, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"Expected a dropout probability in [0, 1), got {p}.")
        self.p = p
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(x.shape, generator=self.generator) >= self.p
        return x * upload(kept.to(x.dtype).div_(1 - self.p), x.device)

    def extra_repr(self) -> str:
        return f"p={self.p}"
