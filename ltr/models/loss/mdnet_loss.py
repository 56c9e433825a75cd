"""Losses of the MDNet trackers."""

import torch
import torch.nn.functional as F
from torch import Tensor


def binary_classification_loss(
    positive: Tensor,  # (n, 2) logits of positive samples; the second column is the target
    negative: Tensor,  # (m, 2) logits of negative ones
) -> Tensor:  # scalar
    """Softmax cross-entropy, the mean over all n + m samples.

    Raises:
        ValueError: neither set has a sample.
    """
    logits = torch.cat((positive, negative))
    if len(logits) == 0:
        raise ValueError("Expected at least one sample, got none.")
    labels = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    labels[: len(positive)] = 1
    return F.cross_entropy(logits, labels)
