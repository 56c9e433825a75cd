"""A tracker whose runs can be in lock-step."""


def get_tracker_class() -> type:
    from tests.pytracking.dummy.tracker.stroll.stroll import Stroll

    return Stroll
