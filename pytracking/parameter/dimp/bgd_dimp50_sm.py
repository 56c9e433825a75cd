"""BGD-DiMP with a slow moving average of the filter."""

from pytracking.parameter.dimp._base import EMA_SLOW, LONG_TERM_STEP, bgd, dimp50
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(dimp50(), LONG_TERM_STEP, EMA_SLOW)
