"""BGD-DiMP trained on GOT-10k alone, for GOT-10k."""

from pytracking.parameter.dimp._base import SHORT_TERM_STEP, bgd, dimp50_got10k
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(dimp50_got10k(), SHORT_TERM_STEP)
