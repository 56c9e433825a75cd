"""PrDiMP's loss on the embedded lite model."""

from pytracking.parameter.dimp._base import prdimp_lite
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return prdimp_lite()
