"""DiMP and its online-learning variants: BGD-DiMP, the moving-average baselines and RLS-DiMP."""


def get_tracker_class() -> type:
    """Class of the tracker; imported on demand, so that listing trackers costs nothing."""
    from pytracking.tracker.dimp.dimp import DiMP

    return DiMP
