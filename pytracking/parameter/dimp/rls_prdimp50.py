"""PrDiMP-50 with RLS in place of its online steepest descent."""

from pytracking.parameter.dimp._base import LONG_TERM_STEP, kl_rls, prdimp50
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return kl_rls(prdimp50(), LONG_TERM_STEP)
