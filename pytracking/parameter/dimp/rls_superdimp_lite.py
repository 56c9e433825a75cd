"""RLS-DiMP on the embedded lite model with SuperDiMP's search area and refinement."""

from pytracking.parameter.dimp._base import LITE_RLS_STEP, rls, superdimp_lite
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls(superdimp_lite(), LITE_RLS_STEP)
