"""DiMP*: as many online iterations as BGD and RLS."""

from pytracking.parameter.dimp._base import dimp50, star
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return star(dimp50())
