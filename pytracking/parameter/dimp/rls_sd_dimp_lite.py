"""RLS-DiMP with the Gauss-Newton step length on the embedded lite model."""

from pytracking.parameter.dimp._base import dimp_lite, rls_sd
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls_sd(dimp_lite())
