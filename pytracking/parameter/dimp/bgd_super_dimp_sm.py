"""SuperDiMP with online gradient descent and a slow moving average of the filter."""

from pytracking.parameter.dimp._base import EMA_SLOW, LONG_TERM_STEP, bgd, super_dimp
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(super_dimp(), LONG_TERM_STEP, EMA_SLOW)
