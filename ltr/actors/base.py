"""What an actor gives to the trainer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

Loss = tuple[Tensor, dict[str, Tensor]]  # total (scalar), and detached scalars to be averaged over iterations


class Actor(nn.Module, ABC):
    """A network and its loss as one module, which is what DistributedDataParallel wants to wrap.

    `forward(batch)` returns the loss and statistics; `net` is the network that is saved.
    """

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        for name in ("image_mean", "image_std"):
            self.register_buffer(name, torch.tensor(getattr(net, name)).view(3, 1, 1), persistent=False)

    @abstractmethod
    def forward(self, batch: Mapping[str, Any]) -> Loss: ...

    def normalize(self, images: Tensor) -> Tensor:  # (..., 3, H, W) uint8 -> float, as the network wants them
        """Bytes travel to the device, floats are made there."""
        return (images.to(self.image_mean.dtype) / 255 - self.image_mean) / self.image_std
