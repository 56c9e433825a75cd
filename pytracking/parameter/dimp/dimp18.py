"""DiMP with the ResNet-18 network."""

from pytracking.parameter.dimp._base import dimp18
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return dimp18()
