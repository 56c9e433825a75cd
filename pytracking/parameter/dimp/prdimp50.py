"""PrDiMP-50, as published."""

from pytracking.parameter.dimp._base import prdimp50
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return prdimp50()
