"""Arithmetic of boxes (n, 4) x, y, w, h; training draws boxes with the same functions."""

from ltr.data.box_sampling import area_ratio, overlap, to_corners, within

__all__ = ["area_ratio", "overlap", "to_corners", "within"]
