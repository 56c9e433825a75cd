"""RT-MDNet, simpleRT-MDNet and RLS-RTMDNet: classification of candidate boxes with fully connected layers."""


def get_tracker_class() -> type:
    """Class of the tracker; imported on demand, so that listing trackers costs nothing."""
    from pytracking.tracker.rtmdnet.rtmdnet import RTMDNet

    return RTMDNet
