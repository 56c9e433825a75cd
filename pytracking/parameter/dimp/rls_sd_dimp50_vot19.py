"""RLS-DiMP with the Gauss-Newton step length for VOT2019."""

from pytracking.parameter.dimp._base import dimp50, rls_sd, vot19
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls_sd(vot19(dimp50()))
