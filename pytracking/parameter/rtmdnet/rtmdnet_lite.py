"""RT-MDNet on the embedded lite model."""

from pytracking.parameter.rtmdnet._base import rtmdnet_lite
from pytracking.tracker.rtmdnet.params import RTMDNetParams


def parameters() -> RTMDNetParams:
    return rtmdnet_lite()
