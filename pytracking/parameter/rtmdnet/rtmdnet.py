"""RT-MDNet: regular updates on the long-term memory."""

from pytracking.parameter.rtmdnet._base import rtmdnet
from pytracking.tracker.rtmdnet.params import RTMDNetParams


def parameters() -> RTMDNetParams:
    return rtmdnet()
