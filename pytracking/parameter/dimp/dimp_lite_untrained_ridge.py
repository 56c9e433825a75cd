"""DiMP on the embedded lite model without trained heads, boxes by ridge regression on the first frame."""

from pytracking.parameter.dimp._base import dimp_lite_untrained, ridge_boxes
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return ridge_boxes(dimp_lite_untrained())
