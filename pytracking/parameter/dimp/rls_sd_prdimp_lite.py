"""RLS with the Gauss-Newton step length and PrDiMP's loss on the embedded lite model."""

from pytracking.parameter.dimp._base import kl_rls_sd, prdimp_lite
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return kl_rls_sd(prdimp_lite())
