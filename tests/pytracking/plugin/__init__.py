"""A tracker as one would write it for pytracking, in a folder outside of the tree."""
