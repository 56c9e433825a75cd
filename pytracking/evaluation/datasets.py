"""The data sets by name; the module of a data set is imported when it is asked for."""

import importlib
from dataclasses import dataclass

from pytracking.evaluation.data import BaseDataset, SequenceList
from pytracking.utils.errors import unknown_name


@dataclass(frozen=True)
class DatasetEntry:
    """Where a data set is implemented, and what `--list` says about it."""

    module: str  # in pytracking.evaluation
    class_name: str
    summary: str


DATASETS: dict[str, DatasetEntry] = {
    "demo": DatasetEntry("demodataset", "DemoDataset", "rendered from photographs on first use, exact ground truth"),
    "otb": DatasetEntry("otbdataset", "OTBDataset", "OTB-100, 100 sequences"),
}


def load_dataset(name: str) -> BaseDataset:
    """The data set called `name`, in any case. Raises InputError for an unknown name or an unset path."""
    entry = DATASETS.get(name.lower())
    if entry is None:
        raise unknown_name("data set", name, DATASETS)
    module = importlib.import_module(f"pytracking.evaluation.{entry.module}")
    dataset: BaseDataset = getattr(module, entry.class_name)()
    return dataset


def get_dataset(*names: str) -> SequenceList:
    """Sequences of one or several data sets, joined. Raises as `load_dataset`."""
    sequences = SequenceList()
    for name in names:
        sequences.extend(load_dataset(name).get_sequence_list())
    return sequences
