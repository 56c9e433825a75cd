"""Data sets, running trackers on them, and their result files."""

from ltr.common.environment import env_settings
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList
from pytracking.evaluation.datasets import get_dataset, load_dataset
from pytracking.evaluation.tracker import Tracker, trackerlist

__all__ = [
    "BaseDataset", "Sequence", "SequenceList", "Tracker", "env_settings", "get_dataset", "load_dataset", "trackerlist",
]  # fmt: skip
