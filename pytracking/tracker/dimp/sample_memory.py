"""Memory of training samples with their weights."""

import math

import numpy as np
import torch
from torch import Tensor

from ltr.common.transfer import upload
from ltr.common.types import Array

LEAST_SCORE = 1e-3  # of a usual score, of which others are shares


def replaced_slot(
    weights: Array,  # (M,)
    num_stored: int,
    num_initial: int,
    initial_minimum: float | None,
) -> int:
    """Slot of the next sample: a free one, else the one of least weight; with a floor the first frame's stay."""
    if num_stored < len(weights):
        return num_stored
    first = num_initial if initial_minimum else 0
    return first + int(weights[first:].argmin())


def insert_weight(
    weights: Array,  # (M,) float32, sum about 1
    slot: int,
    previous_slot: int | None,  # the slot written last; None at the first insertion
    learning_rate: float,
    num_initial: int,
    initial_minimum: float | None,
) -> Array:  # (M,)
    """Weights after a sample went to `slot`.

    A new sample weighs 1 / (1 - learning rate) times the one before it, which after normalization is an exponential
    window. The floor of the first frame's weight leaves a sum slightly above 1, as in pytracking.
    """
    if learning_rate >= 1:
        weights = np.zeros_like(weights)
        weights[slot] = 1
    elif previous_slot is None:
        weights = weights / (1 - learning_rate)
        weights[slot] = learning_rate
    else:
        weights = weights.copy()
        weights[slot] = weights[previous_slot] / (1 - learning_rate)
    weights = weights / weights.sum()
    if initial_minimum and weights[:num_initial].sum() < initial_minimum:
        weights = weights / (initial_minimum + weights[num_initial:].sum())
        weights[:num_initial] = initial_minimum / num_initial
    return weights


class SampleMemory:
    """Features, boxes and weights of at most `size` samples; the first `num_initial` come from the first frame.

    Raises ValueError when the first frame's samples do not fit.
    """

    def __init__(
        self,
        features: Tensor,  # (num_initial, C, H, W)
        boxes: Tensor,  # (num_initial, 4) xywh in crop pixels, on the host
        size: int,
        initial_minimum: float | None = 0.25,
    ) -> None:
        self.num_initial = len(features)
        if self.num_initial > size:
            raise ValueError(
                f"expected a sample_memory_size of at least {self.num_initial}, the first frame's samples, found {size}"
            )
        self.initial_minimum = initial_minimum
        self.num_stored = self.num_initial
        self._features = features.new_zeros((size, *features.shape[1:]))
        self._features[: self.num_initial] = features
        self._boxes = boxes.new_zeros((size, 4))
        self._boxes[: self.num_initial] = boxes
        self._weights = np.zeros(size, np.float32)  # on the host, where the rule decides
        self._weights[: self.num_initial] = 1 / self.num_initial
        self._scores = np.full(size, math.inf)  # of the first frame's, which are given, and of later ones
        self._previous_slot: int | None = None

    @property
    def features(self) -> Tensor:  # (num_stored, C, H, W)
        return self._features[: self.num_stored]

    @property
    def boxes(self) -> Tensor:  # (num_stored, 4) on the device of the features
        return upload(self._boxes[: self.num_stored], self._features.device)

    @property
    def weights(self) -> Tensor:  # (num_stored,) on the device of the features
        return upload(torch.from_numpy(self._weights[: self.num_stored]), self._features.device)

    def believed(self, share: float) -> Tensor:
        """Which samples had at least that share of the usual score, the first frame's among them, (num_stored,)."""
        believed = self._scores[: self.num_stored] >= share * self.usual_score
        return upload(torch.from_numpy(believed), self._features.device)

    @property
    def usual_score(self) -> float:
        """Median score of the stored samples but the first frame's; 1, the peak of labels, where there is none."""
        scores = self._scores[: self.num_stored]
        scores = scores[np.isfinite(scores)]
        return max(float(np.median(scores)), LEAST_SCORE) if len(scores) else 1.0

    def insert(self, feature: Tensor, box: Tensor, learning_rate: float, score: float = math.inf) -> int:
        """Store a sample, feature (1, C, H, W) and, of the host, box (4,), with its score; returns its slot."""
        slot = replaced_slot(self._weights, self.num_stored, self.num_initial, self.initial_minimum)
        self._weights = insert_weight(
            self._weights, slot, self._previous_slot, learning_rate, self.num_initial, self.initial_minimum
        )
        self._features[slot] = feature[0]
        self._boxes[slot] = box
        self._scores[slot] = score
        self._previous_slot = slot
        self.num_stored = max(self.num_stored, slot + 1)
        return slot
