"""RLS-DiMP for VOT2019."""

from pytracking.parameter.dimp._base import VOT_STEP, dimp50, rls, vot19
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls(vot19(dimp50()), VOT_STEP)
