"""RLS-DiMP, step length for short-term benchmarks."""

from pytracking.parameter.dimp._base import SHORT_TERM_STEP, dimp50, rls
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls(dimp50(), SHORT_TERM_STEP)
