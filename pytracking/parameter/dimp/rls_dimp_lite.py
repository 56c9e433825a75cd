"""RLS-DiMP on the embedded lite model."""

from pytracking.parameter.dimp._base import LITE_RLS_STEP, dimp_lite, rls
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls(dimp_lite(), LITE_RLS_STEP)
