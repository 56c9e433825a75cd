"""PrDiMP-50 with five steepest-descent iterations in each update, as many as BGD and RLS run."""

from pytracking.parameter.dimp._base import prdimp50, star
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return star(prdimp50())
