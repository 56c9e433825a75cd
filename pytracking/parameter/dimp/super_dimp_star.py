"""SuperDiMP with five steepest-descent iterations in each update, as many as BGD and RLS run."""

from pytracking.parameter.dimp._base import star, super_dimp
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return star(super_dimp())
