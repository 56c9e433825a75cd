"""RLS-DiMP with the Gauss-Newton step length on the embedded lite model, with re-detection."""

from pytracking.parameter.dimp._base import dimp_lite, lite_long_term, rls_sd
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return lite_long_term(rls_sd(dimp_lite()))
