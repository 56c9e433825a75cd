"""Experiments for `run_experiment.py <module> <function>`: functions that return trackers and a data set."""
