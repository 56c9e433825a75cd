"""Steps of one pixel.

A second line that no list shows.
"""

from tests.pytracking.dummy.tracker.wander.wander import WanderParams


def parameters() -> WanderParams:
    return WanderParams()
