"""Streams of tasks from scikit-learn's handwritten digits: 1,797 images of 8 × 8 pixels (UCI), part of the package.

Half of the images train, half test, by a fixed split of every class.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BATCH = 10


@dataclass(frozen=True)
class Task:
    """One task: a part of the stream, and the images that ask whether it is still known."""

    train_x: Tensor  # (n, 64)
    train_y: Tensor  # (n,)
    test_x: Tensor
    test_y: Tensor

    def batches(self, epochs: int, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        """Mini-batches of `BATCH`, in a new order in each epoch."""
        batches = []
        for _ in range(epochs):
            order = torch.randperm(len(self.train_x), generator=generator)
            batches += [(self.train_x[part], self.train_y[part]) for part in order.split(BATCH)]
        return batches


def _digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (n, 8, 8) with pixels in [0, 1], labels, and which of them train."""
    from sklearn.datasets import load_digits

    data = load_digits()
    train = np.zeros(len(data.target), dtype=bool)
    for label in range(10):
        train[np.flatnonzero(data.target == label)[::2]] = True
    return data.images / 16, data.target, train


def _task(images: np.ndarray, labels: np.ndarray, train: np.ndarray) -> Task:
    x = torch.tensor(images.reshape(len(images), 64) - 0.3, dtype=torch.float32)  # the mean pixel is 0.305
    y = torch.tensor(labels)
    return Task(x[train], y[train], x[~train], y[~train])


def class_incremental(seed: int) -> list[Task]:
    """Five tasks of two classes each, in a random order of the classes; ten outputs from the start."""
    images, labels, train = _digits()
    order = np.random.default_rng(seed).permutation(10)
    parts = [np.isin(labels, order[i : i + 2]) for i in range(0, 10, 2)]
    return [_task(images[part], labels[part], train[part]) for part in parts]


def permuted(seed: int) -> list[Task]:
    """Five tasks of all classes, each with a random order of the pixels of its own."""
    images, labels, train = _digits()
    rng = np.random.default_rng(seed)
    flat = images.reshape(len(images), 64)
    return [_task(flat[:, rng.permutation(64)], labels, train) for _ in range(5)]


def rotated(seed: int) -> list[Task]:
    """Five tasks of all classes, turned by 0, 36, ... 144 degrees in a random order."""
    from scipy.ndimage import rotate

    images, labels, train = _digits()
    angles = np.random.default_rng(seed).permutation(5) * 36.0
    turned = [np.clip(rotate(images, angle, axes=(1, 2), reshape=False, order=1), 0, 1) for angle in angles]
    return [_task(each, labels, train) for each in turned]


STREAMS = {"class-incremental": class_incremental, "permuted": permuted, "rotated": rotated}
