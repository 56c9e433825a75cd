"""Random boxes around a target; training draws them with the same functions."""

from ltr.data.box_sampling import SMALLEST_SIDE, draw_boxes, sample_boxes

__all__ = ["SMALLEST_SIDE", "draw_boxes", "sample_boxes"]
