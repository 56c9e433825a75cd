"""Trackers, one folder each; a folder's `get_tracker_class()` gives the class without importing the others."""
