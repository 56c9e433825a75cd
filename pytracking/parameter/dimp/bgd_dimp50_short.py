"""BGD-DiMP, step length for short-term benchmarks."""

from pytracking.parameter.dimp._base import SHORT_TERM_STEP, bgd, dimp50
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(dimp50(), SHORT_TERM_STEP)
