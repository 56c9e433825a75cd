"""Memory of the features of past frames."""

from collections import deque

import torch
from torch import Tensor


class FrameMemory:
    """Features of the positive samples of the last frames, and of the negative samples of fewer of them.

    A frame without samples counts like any other, so nothing older than the given number of frames stays.
    """

    def __init__(self, positive_frames: int, negative_frames: int) -> None:
        self._positives: deque[Tensor] = deque(maxlen=positive_frames)
        self._negatives: deque[Tensor] = deque(maxlen=negative_frames)

    def __len__(self) -> int:
        """Number of frames whose positive samples are stored."""
        return len(self._positives)

    def append(self, positives: Tensor, negatives: Tensor) -> None:  # (n, D), (m, D)
        # Clones: a slice would keep the features of the whole first frame in memory.
        self._positives.append(positives.clone())
        self._negatives.append(negatives.clone())

    def positives(self, frames: int | None = None) -> Tensor:  # (n, D)
        """Positive samples of the last frames, of all that are stored by default."""
        stored = list(self._positives)
        return torch.cat(stored if frames is None else stored[-frames:])

    def negatives(self) -> Tensor:  # (m, D)
        return torch.cat(list(self._negatives))

    @property
    def num_bytes(self) -> int:
        return sum(features.numel() * features.element_size() for features in (*self._positives, *self._negatives))
