"""RLS-DiMP for VOT2018."""

from pytracking.parameter.dimp._base import VOT_STEP, dimp50, rls, vot18
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls(vot18(dimp50()), VOT_STEP)
