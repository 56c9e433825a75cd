"""BGD-DiMP on the embedded lite model with a medium moving average of the filter."""

from pytracking.parameter.dimp._base import EMA_MEDIUM, LITE_BGD_STEP, bgd, dimp_lite
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(dimp_lite(), LITE_BGD_STEP, EMA_MEDIUM)
