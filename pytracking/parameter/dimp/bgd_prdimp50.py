"""PrDiMP-50 with online gradient descent."""

from pytracking.parameter.dimp._base import LONG_TERM_STEP, kl_bgd, prdimp50
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return kl_bgd(prdimp50(), LONG_TERM_STEP)
