"""Examples; write your own functions here or in another module of this folder."""

from pytracking.evaluation import SequenceList, Tracker, get_dataset, trackerlist


def lite_demo() -> tuple[list[Tracker], SequenceList]:
    """RLS-DiMP and BGD-DiMP on the lite model, one run each on the rendered demo videos."""
    trackers = trackerlist("dimp", "rls_dimp_lite") + trackerlist("dimp", "bgd_dimp_lite")
    return trackers, get_dataset("demo")


def otb_rls() -> tuple[list[Tracker], SequenceList]:
    """RLS-DiMP-50 and its baseline, five runs each on OTB-100."""
    trackers = trackerlist("dimp", "rls_dimp50", range(5)) + trackerlist("dimp", "bgd_dimp50", range(5))
    return trackers, get_dataset("otb")
