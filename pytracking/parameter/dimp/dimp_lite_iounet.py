"""DiMP on the embedded lite model with trained heads, boxes by its IoU-Net."""

from pytracking.parameter.dimp._base import dimp_lite_iounet
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return dimp_lite_iounet()
