"""RLS-DiMP with the Gauss-Newton step length, with SuperDiMP's search area on the embedded lite model."""

from pytracking.parameter.dimp._base import rls_sd, superdimp_lite
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls_sd(superdimp_lite())
