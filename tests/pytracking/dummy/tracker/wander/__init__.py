"""A tracker whose box walks at random."""


def get_tracker_class() -> type:
    from tests.pytracking.dummy.tracker.wander.wander import Wander

    return Wander
