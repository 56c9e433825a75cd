"""DiMP* for VOT2019."""

from pytracking.parameter.dimp._base import dimp50, star, vot19
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return star(vot19(dimp50()))
