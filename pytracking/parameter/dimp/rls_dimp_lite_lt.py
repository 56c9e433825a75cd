"""RLS-DiMP on the embedded lite model, with re-detection."""

from pytracking.parameter.dimp._base import LITE_RLS_STEP, dimp_lite, lite_long_term, rls
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return lite_long_term(rls(dimp_lite(), LITE_RLS_STEP))
