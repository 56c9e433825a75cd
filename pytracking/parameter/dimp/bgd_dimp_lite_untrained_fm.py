"""BGD-DiMP without trained heads, with a fast moving average of the filter."""

from pytracking.parameter.dimp._base import EMA_FAST, UNTRAINED_BGD_STEP, bgd, dimp_lite_untrained
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(dimp_lite_untrained(), UNTRAINED_BGD_STEP, EMA_FAST)
