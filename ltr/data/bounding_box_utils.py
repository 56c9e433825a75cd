"""Boxes of tensors by center and logarithm of the size, the coordinates in which PrDiMP refines and learns them."""

from __future__ import annotations

import torch
from torch import Tensor


def rect_to_rel(bb: Tensor, sz_norm: Tensor | None = None) -> Tensor:  # (..., 4) x, y, w, h, (..., 2) -> (..., 4)
    """Center divided by `sz_norm` (w, h), by default the box's own size, and logarithm of the size."""
    size = bb[..., 2:]
    return torch.cat(((bb[..., :2] + size / 2) / (size if sz_norm is None else sz_norm), size.log()), dim=-1)


def rel_to_rect(bb: Tensor, sz_norm: Tensor | None = None) -> Tensor:  # (..., 4), (..., 2) -> (..., 4) x, y, w, h
    """Inverse of `rect_to_rel`."""
    size = bb[..., 2:].exp()
    return torch.cat((bb[..., :2] * (size if sz_norm is None else sz_norm) - size / 2, size), dim=-1)
