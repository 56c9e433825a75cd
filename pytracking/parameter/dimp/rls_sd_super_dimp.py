"""SuperDiMP with RLS and the Gauss-Newton step length."""

from pytracking.parameter.dimp._base import rls_sd, super_dimp
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls_sd(super_dimp())
