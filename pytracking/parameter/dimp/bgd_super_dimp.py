"""SuperDiMP with online gradient descent."""

from pytracking.parameter.dimp._base import LONG_TERM_STEP, bgd, super_dimp
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(super_dimp(), LONG_TERM_STEP)
