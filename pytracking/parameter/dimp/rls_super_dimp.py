"""SuperDiMP with RLS in place of its online steepest descent."""

from pytracking.parameter.dimp._base import LONG_TERM_STEP, rls, super_dimp
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls(super_dimp(), LONG_TERM_STEP)
