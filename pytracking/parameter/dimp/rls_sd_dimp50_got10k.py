"""RLS-DiMP with the Gauss-Newton step length, trained on GOT-10k alone, for GOT-10k."""

from pytracking.parameter.dimp._base import dimp50_got10k, rls_sd
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls_sd(dimp50_got10k())
