"""DiMP* on the embedded lite model."""

from pytracking.parameter.dimp._base import dimp_lite, star
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return star(dimp_lite())
