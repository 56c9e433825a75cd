"""PrDiMP-50 with online gradient descent and a slow moving average of the filter."""

from pytracking.parameter.dimp._base import EMA_SLOW, LONG_TERM_STEP, kl_bgd, prdimp50
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return kl_bgd(prdimp50(), LONG_TERM_STEP, EMA_SLOW)
