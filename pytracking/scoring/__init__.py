"""Scores of boxes against ground truth, by the rules of each benchmark: below running trackers and analyzing them."""
