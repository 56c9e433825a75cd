"""DiMP with the ResNet-50 network."""

from pytracking.parameter.dimp._base import dimp50
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return dimp50()
