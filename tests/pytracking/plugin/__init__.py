"""Trackers as one would write them for pytracking, in a folder outside of the tree."""
