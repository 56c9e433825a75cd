"""DiMP for VOT2018."""

from pytracking.parameter.dimp._base import dimp50, vot18
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return vot18(dimp50())
