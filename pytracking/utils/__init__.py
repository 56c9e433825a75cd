"""Shared utilities; `from pytracking.utils import TrackerParams` is how pytracking's parameter files begin."""

from pytracking.utils.params import Choice, FeatureParams, TrackerParams, TypedParams

__all__ = ["Choice", "FeatureParams", "TrackerParams", "TypedParams"]
