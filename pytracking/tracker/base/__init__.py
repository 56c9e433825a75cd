"""What every tracker has in common."""

from pytracking.tracker.base.basetracker import BaseTracker
from pytracking.tracker.base.lockstep import LockstepTracker

__all__ = ["BaseTracker", "LockstepTracker"]
