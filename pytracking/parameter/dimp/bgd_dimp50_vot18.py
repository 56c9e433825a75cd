"""BGD-DiMP for VOT2018."""

from pytracking.parameter.dimp._base import VOT_STEP, bgd, dimp50, vot18
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(vot18(dimp50()), VOT_STEP)
