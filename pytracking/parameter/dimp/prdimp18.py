"""PrDiMP-18, as published."""

from pytracking.parameter.dimp._base import prdimp18
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return prdimp18()
