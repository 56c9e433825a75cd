"""RLS-DiMP trained on GOT-10k alone, for GOT-10k."""

from pytracking.parameter.dimp._base import SHORT_TERM_STEP, dimp50_got10k, rls
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls(dimp50_got10k(), SHORT_TERM_STEP)
