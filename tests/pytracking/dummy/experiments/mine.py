"""Experiments of the tests."""

from pytracking.evaluation import SequenceList, Tracker, get_dataset, trackerlist


def deer() -> tuple[list[Tracker], SequenceList]:
    """One sequence, twice."""
    return trackerlist("wander", "default", range(2)), get_dataset("otb")[["Deer"]]


def _not_an_experiment() -> None: ...
