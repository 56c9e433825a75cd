"""RLS-DiMP with the Gauss-Newton step length."""

from pytracking.parameter.dimp._base import dimp50, rls_sd
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls_sd(dimp50())
