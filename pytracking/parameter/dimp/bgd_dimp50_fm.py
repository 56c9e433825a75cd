"""BGD-DiMP with a fast moving average of the filter."""

from pytracking.parameter.dimp._base import EMA_FAST, LONG_TERM_STEP, bgd, dimp50
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(dimp50(), LONG_TERM_STEP, EMA_FAST)
