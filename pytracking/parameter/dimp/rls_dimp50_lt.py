"""RLS-DiMP on DiMP-50, with re-detection."""

from pytracking.parameter.dimp._base import LONG_TERM_STEP, dimp50, long_term, rls
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return long_term(rls(dimp50(), LONG_TERM_STEP))
