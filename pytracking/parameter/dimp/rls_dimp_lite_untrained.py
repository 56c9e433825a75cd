"""RLS-DiMP on the embedded lite model without trained heads."""

from pytracking.parameter.dimp._base import UNTRAINED_RLS_STEP, dimp_lite_untrained, rls
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls(dimp_lite_untrained(), UNTRAINED_RLS_STEP)
