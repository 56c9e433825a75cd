"""PrDiMP-50 with RLS and the Gauss-Newton step length."""

from pytracking.parameter.dimp._base import kl_rls_sd, prdimp50
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return kl_rls_sd(prdimp50())
