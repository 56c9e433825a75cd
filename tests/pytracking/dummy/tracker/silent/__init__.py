"""A tracker that reports nothing but boxes."""


def get_tracker_class() -> type:
    from tests.pytracking.dummy.tracker.silent.silent import Silent

    return Silent
