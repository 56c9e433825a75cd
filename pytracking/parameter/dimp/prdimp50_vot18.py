"""PrDiMP-50 with the settings for VOT2018."""

from pytracking.parameter.dimp._base import prdimp50_vot18
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return prdimp50_vot18()
