"""RLS-RTMDNet on the embedded lite model."""

from pytracking.parameter.rtmdnet._base import rls, rtmdnet_lite
from pytracking.tracker.rtmdnet.params import RTMDNetParams


def parameters() -> RTMDNetParams:
    return rls(rtmdnet_lite())
