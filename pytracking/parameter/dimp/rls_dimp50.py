"""RLS-DiMP, step length for long-term benchmarks."""

from pytracking.parameter.dimp._base import LONG_TERM_STEP, dimp50, rls
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls(dimp50(), LONG_TERM_STEP)
