"""SuperDiMP, as published."""

from pytracking.parameter.dimp._base import super_dimp
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return super_dimp()
