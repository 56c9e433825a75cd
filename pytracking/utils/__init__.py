"""Shared utilities; `from pytracking.utils import TrackerParams` is how pytracking's parameter files begin."""

from pytracking.utils.params import TrackerParams, TypedParams

__all__ = ["TrackerParams", "TypedParams"]
