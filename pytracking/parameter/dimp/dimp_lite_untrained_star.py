"""DiMP* on the embedded lite model without trained heads."""

from pytracking.parameter.dimp._base import dimp_lite_untrained, star
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return star(dimp_lite_untrained())
