"""DiMP* trained on GOT-10k alone, for GOT-10k."""

from pytracking.parameter.dimp._base import dimp50_got10k, star
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return star(dimp50_got10k())
