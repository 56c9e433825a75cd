"""RLS with PrDiMP's loss on the embedded lite model."""

from pytracking.parameter.dimp._base import LITE_RLS_STEP, kl_rls, prdimp_lite
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return kl_rls(prdimp_lite(), LITE_RLS_STEP)
