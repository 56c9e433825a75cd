"""RLS-RTMDNet."""

from pytracking.parameter.rtmdnet._base import rls, rtmdnet
from pytracking.tracker.rtmdnet.params import RTMDNetParams


def parameters() -> RTMDNetParams:
    return rls(rtmdnet())
