"""BGD-DiMP, step length for long-term benchmarks."""

from pytracking.parameter.dimp._base import LONG_TERM_STEP, bgd, dimp50
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(dimp50(), LONG_TERM_STEP)
