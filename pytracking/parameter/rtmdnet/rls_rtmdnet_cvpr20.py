"""RLS-RTMDNet with the settings of the conference version (CVPR 2020)."""

from pytracking.parameter.rtmdnet._base import rls, rtmdnet
from pytracking.tracker.rtmdnet.params import RTMDNetParams


def parameters() -> RTMDNetParams:
    return rls(rtmdnet(), rls_delta=1.0, init_learning_rate=0.01, update_learning_rate=0.01)  # fc6: ten times as much
