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


def instance_embedding_loss(
    target_scores: Tensor,  # (n, K) target logits of n positive samples, one of each of K domains
    domain: Tensor,  # (n,) column of each sample's own domain
) -> Tensor:  # scalar
    """Cross-entropy of the softmax across domains, the mean over the samples (RT-MDNet, Eq. 7).

    It pushes a target away from the targets of other videos, which a classifier of target against background, with a
    last layer for each video, leaves free to look alike. Without samples it is 0.
    """
    if len(target_scores) == 0:
        return target_scores.sum()
    return F.cross_entropy(target_scores, domain)
