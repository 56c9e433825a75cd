"""RLS-DiMP with the Gauss-Newton step length for VOT2018."""

from pytracking.parameter.dimp._base import dimp50, rls_sd, vot18
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls_sd(vot18(dimp50()))
