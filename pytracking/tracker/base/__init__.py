"""What every tracker has in common."""

from pytracking.tracker.base.basetracker import BaseTracker

__all__ = ["BaseTracker"]
