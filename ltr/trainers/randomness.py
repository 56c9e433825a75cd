"""All randomness of a training is a function of its seed and of where it takes place, never of what came before.

So a training that was stopped continues as if it had not been, and the number of workers does not matter: the global
generators of torch, numpy and Python are seeded anew before each sample that is prepared and before each step.
"""

from __future__ import annotations

import random
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset


class Stream(IntEnum):
    """What random numbers are for; each has its own."""

    BUILD = 0  # initial weights
    ORDER = 1  # in which an epoch takes its samples
    SAMPLE = 2
    STEP = 3  # forward and backward, for example dropout
    VALIDATION_SAMPLE = 4
    VALIDATION_STEP = 5


def derive_seed(seed: int, stream: Stream, *place: int) -> int:
    """64-bit seed for a place in a training, such as (epoch, iteration, process)."""
    return int(np.random.SeedSequence((seed, int(stream), *place)).generate_state(1, np.uint64)[0])


def seed_everything(seed: int) -> None:
    """Seed the global generators of torch (CPU, and GPUs in use), numpy and Python."""
    # torch.manual_seed is a hundred times slower: for a GPU that is not in use yet it keeps a formatted traceback.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (the global one, which other people's data sets draw from)
    random.seed(seed)


class SeededDataset(Dataset[Any]):
    """Data set whose samples draw the same global random numbers whoever prepares them, and in whatever order."""

    def __init__(self, dataset: Dataset[Any], seed: int, stream: Stream) -> None:
        self.dataset, self.seed, self.stream = dataset, seed, stream
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Epoch whose samples come next, told to the data set as well if it knows epochs."""
        self.epoch = epoch
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Any:
        seed_everything(derive_seed(self.seed, self.stream, self.epoch, index))
        return self.dataset[index]
