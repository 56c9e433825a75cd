"""simpleRT-MDNet: short-term memory and weight backup."""

from pytracking.parameter.rtmdnet._base import rtmdnet, simple
from pytracking.tracker.rtmdnet.params import RTMDNetParams


def parameters() -> RTMDNetParams:
    return simple(rtmdnet())
