"""BGD-DiMP on the embedded lite model without trained heads."""

from pytracking.parameter.dimp._base import UNTRAINED_BGD_STEP, bgd, dimp_lite_untrained
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(dimp_lite_untrained(), UNTRAINED_BGD_STEP)
