"""The data sets by name; the module of a data set is imported when it is asked for."""

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytracking.evaluation.data import BaseDataset, PartialCopyWarning, SequenceList
from pytracking.utils.errors import InputError, unknown_name

NAMED_MISSING = 3  # missing sequences that a warning names


@dataclass(frozen=True)
class DatasetEntry:
    """Where a data set is implemented, and what `--list` says about it."""

    module: str  # in pytracking.evaluation
    class_name: str
    summary: str


_VOT2018 = DatasetEntry("votdataset", "VOT2018Dataset", "VOT2018, 60 sequences in one pass")

DATASETS: dict[str, DatasetEntry] = {
    "demo": DatasetEntry("demodataset", "DemoDataset", "rendered from photographs on first use, exact ground truth"),
    "otb": DatasetEntry("otbdataset", "OTBDataset", "OTB-100, 100 sequences"),
    "uav": DatasetEntry("uavdataset", "UAVDataset", "UAV123 at 30 fps, 123 sequences"),
    "uav10fps": DatasetEntry("uavdataset", "UAV10fpsDataset", "UAV123 at 10 fps, 123 sequences"),
    "lasot": DatasetEntry("lasotdataset", "LaSOTDataset", "LaSOT test, 280 sequences"),
    "lasot_train": DatasetEntry("lasotdataset", "LaSOTTrainDataset", "LaSOT train, 1120 sequences"),
    "lasot_extension_subset": DatasetEntry(
        "lasotdataset", "LaSOTExtensionSubsetDataset", "LaSOT extension, 150 sequences"
    ),
    "tlp": DatasetEntry("tlpdataset", "TLPDataset", "Track Long and Prosper, 50 sequences"),
    "tinytlp": DatasetEntry("tlpdataset", "TinyTLPDataset", "the first 600 frames of the TLP sequences"),
    "nfs": DatasetEntry("nfsdataset", "NFSDataset", "Need for Speed at 30 fps, 100 sequences"),
    "tpl": DatasetEntry("tpldataset", "TPLDataset", "Temple-Color-128, 129 sequences"),
    "tpl_nootb": DatasetEntry("tpldataset", "TPLNoOTBDataset", "Temple-Color-128 without OTB's, 85 sequences"),
    "got10k_val": DatasetEntry("got10kdataset", "GOT10KValDataset", "GOT-10k validation, 180 sequences"),
    "got10k_test": DatasetEntry("got10kdataset", "GOT10KTestDataset", "GOT-10k test, 180 sequences, for the server"),
    "trackingnet": DatasetEntry(
        "trackingnetdataset", "TrackingNetDataset", "TrackingNet test, 511 sequences, for the server"
    ),
    "oxuva_dev": DatasetEntry("oxuvadataset", "OxUvADevDataset", "OxUvA dev, 200 tracks"),
    "oxuva_test": DatasetEntry("oxuvadataset", "OxUvATestDataset", "OxUvA test, 166 tracks, for the server"),
    "vot": _VOT2018,
    "vot2016": DatasetEntry("votdataset", "VOT2016Dataset", "VOT2016, 60 sequences in one pass"),
    "vot2017": DatasetEntry("votdataset", "VOT2017Dataset", "VOT2017, 60 sequences in one pass"),
    "vot2018": _VOT2018,
    "vot2019": DatasetEntry("votdataset", "VOT2019Dataset", "VOT2019, 60 sequences in one pass"),
    "folder": DatasetEntry("folderdataset", "FolderDataset", "own images and boxes: folder:/path/to/them"),
}


def load_dataset(name: str) -> BaseDataset:
    """The data set called `name`, in any case; `name:path` takes another folder than that of the settings.

    Raises InputError for an unknown name, an unset path and a path that is no folder.
    """
    known_as, _, path = name.partition(":")
    entry = DATASETS.get(known_as.lower())
    if entry is None:
        raise unknown_name("data set", known_as, DATASETS)
    module = importlib.import_module(f"pytracking.evaluation.{entry.module}")
    dataset: BaseDataset = getattr(module, entry.class_name)(Path(path).expanduser().absolute() if path else None)
    return dataset


def get_dataset(*names: str) -> SequenceList:
    """Sequences of one or several data sets, joined; names as in `load_dataset`, which see.

    Sequences that are not there are part of the list, fail when they are used, and are announced by a
    PartialCopyWarning.
    """
    sequences = SequenceList()
    for name in names:
        dataset = load_dataset(name)
        listed = dataset.get_sequence_list()
        _warn_of_missing(dataset, listed)
        sequences.extend(listed)
    return sequences


def get_dataset_attributes(name: str, mode: Literal["short", "long"] = "short") -> dict[str, SequenceList]:
    """Sequences of a data set by attribute, named "IV" (short) or "Illumination Variation" (long).

    Raises InputError for a data set without attributes and for another mode.
    """
    if mode not in ("short", "long"):
        raise InputError(f"expected mode 'short' or 'long', found '{mode}'")
    dataset = load_dataset(name)
    if not dataset.attribute_names:
        known = "otb, uav, uav10fps, lasot, lasot_train, demo"
        raise InputError(f"data set {dataset.name} has no attributes; expected one of {known}")
    sequences = dataset.get_sequence_list()
    return {
        (short if mode == "short" else long): SequenceList(s for s in sequences if short in s.attributes)
        for short, long in dataset.attribute_names.items()
    }


def _warn_of_missing(dataset: BaseDataset, sequences: SequenceList) -> None:
    missing = [sequence.native_name for sequence in sequences if not sequence.is_present()]
    if not missing:
        return
    named = ", ".join(missing[:NAMED_MISSING]) + (", ..." if len(missing) > NAMED_MISSING else "")
    warnings.warn(
        f"images of {len(missing)} of {len(sequences)} sequences of {dataset.name} are not in {dataset.root}: {named}\n"
        f"  what is there and what is expected: python -m pytracking.util_scripts.check_dataset {dataset.name}",
        PartialCopyWarning,
        stacklevel=3,
    )
