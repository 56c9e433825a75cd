"""DiMP* for VOT2018."""

from pytracking.parameter.dimp._base import dimp50, star, vot18
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return star(vot18(dimp50()))
