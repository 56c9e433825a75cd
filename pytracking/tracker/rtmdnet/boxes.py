"""Arithmetic of boxes (n, 4) x, y, w, h."""

import torch
from torch import Tensor


def to_corners(boxes: Tensor) -> Tensor:
    """x1, y1, x2, y2."""
    return torch.cat((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), dim=1)


def overlap(boxes: Tensor, others: Tensor) -> Tensor:  # (n, 4), (n, 4) or (1, 4) -> (n,)
    """Intersection over union."""
    a, b = to_corners(boxes), to_corners(others)
    sides = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp_min(0)
    intersection = sides.prod(dim=1)
    return intersection / (boxes[:, 2:].prod(dim=1) + others[:, 2:].prod(dim=1) - intersection)


def area_ratio(boxes: Tensor, others: Tensor) -> Tensor:  # (n, 4), (n, 4) or (1, 4) -> (n,)
    return boxes[:, 2:].prod(dim=1) / others[:, 2:].prod(dim=1)


def within(values: Tensor, limits: tuple[float, float]) -> Tensor:
    return (values >= limits[0]) & (values <= limits[1])
