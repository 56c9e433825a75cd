"""BGD-DiMP on the embedded lite model with a slow moving average of the filter."""

from pytracking.parameter.dimp._base import EMA_SLOW, LITE_BGD_STEP, bgd, dimp_lite
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(dimp_lite(), LITE_BGD_STEP, EMA_SLOW)
