"""20 milliseconds a frame."""

from tests.pytracking.dummy.tracker.wander.wander import WanderParams


def parameters() -> WanderParams:
    return WanderParams(delay=0.02)
