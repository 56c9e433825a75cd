"""DiMP trained on GOT-10k alone, for GOT-10k."""

from pytracking.parameter.dimp._base import dimp50_got10k
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return dimp50_got10k()
