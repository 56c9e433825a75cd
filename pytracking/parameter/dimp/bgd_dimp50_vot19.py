"""BGD-DiMP for VOT2019."""

from pytracking.parameter.dimp._base import VOT_STEP, bgd, dimp50, vot19
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(vot19(dimp50()), VOT_STEP)
