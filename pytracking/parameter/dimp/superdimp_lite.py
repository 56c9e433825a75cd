"""DiMP on the embedded lite model with SuperDiMP's search area and refinement."""

from pytracking.parameter.dimp._base import superdimp_lite
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return superdimp_lite()
