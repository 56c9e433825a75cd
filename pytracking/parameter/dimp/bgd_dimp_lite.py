"""BGD-DiMP on the embedded lite model."""

from pytracking.parameter.dimp._base import LITE_BGD_STEP, bgd, dimp_lite
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return bgd(dimp_lite(), LITE_BGD_STEP)
