"""The data sets by name; the module of a data set is imported when it is asked for."""

import contextlib
import importlib
import shlex
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ltr.common.errors import InputError
from ltr.common.unsupported import DATASETS as PYTRACKING_DATASETS
from ltr.common.unsupported import refused_name
from pytracking.evaluation.data import BaseDataset, PartialCopyWarning, Sequence, SequenceList

NAMED_MISSING = 3  # missing sequences that a warning names
FEWEST_OF_ANOTHER = 3  # unusable sequences; fewer may be incomplete copies
FOLDERS_NEARBY = 50  # in which a data set is looked for whose path may be a little wrong


@dataclass(frozen=True)
class DatasetEntry:
    """Where a data set is implemented, and what `--list` says about it."""

    module: str  # in pytracking.evaluation, or, with a dot in it, anywhere
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


def unknown_dataset(name: str) -> InputError:
    """Error for the name of a data set that is not here."""
    unsupported = {name: title} if (title := PYTRACKING_DATASETS.get(name.lower())) else {}
    return refused_name("data set", name, DATASETS, unsupported, "these")


def load_dataset(name: str) -> BaseDataset:
    """The data set called `name`, in any case; `name:path` takes another folder than that of the settings.

    Raises InputError for an unknown name, an unset path and a path that is no folder.
    """
    known_as, _, path = name.partition(":")
    entry = DATASETS.get(known_as.lower())
    if entry is None:
        raise unknown_dataset(known_as)
    module = importlib.import_module(entry.module if "." in entry.module else f"pytracking.evaluation.{entry.module}")
    folder = [Path(path).expanduser().absolute()] if path else []  # a data set written for pytracking takes none
    dataset: BaseDataset = getattr(module, entry.class_name)(*folder)
    return dataset


def get_dataset(*names: str) -> SequenceList:
    """Sequences of one or several data sets, joined; names as in `load_dataset`, which see.

    Sequences that are not there are part of the list, fail when they are used, and are announced by a
    PartialCopyWarning. Raises InputError where none of a data set is there.
    """
    sequences = SequenceList()
    for name in names:
        listed = load_sequences(name)
        _warn_of_missing(name, listed)
        sequences.extend(listed)
    return sequences


def load_sequences(name: str) -> SequenceList:
    """Sequences of a data set.

    Raises InputError where none of them is there, or none of several is what it should be, and as `load_dataset`.
    """
    dataset = load_dataset(name)
    sequences = dataset.get_sequence_list()
    if present := [sequence for sequence in sequences if sequence.is_present()]:
        _refuse_another(dataset, len(sequences), present)
        return sequences
    found = next(filter(partial(_holds_some, dataset), _folders_nearby(dataset.root)), None)
    hint = "" if found is None else f"\n  {found} holds some; did you mean {name.partition(':')[0]}:{found}?"
    raise InputError(
        f"{dataset.root} holds none of the {len(sequences)} sequences of {dataset.name}\n"
        f"  expected there: {dataset.layout}{hint}"
    )


def _refuse_another(dataset: BaseDataset, number: int, present: list[Sequence]) -> None:
    """Data sets share names of sequences; of another one, all fail for the same reason, which is told once."""
    problem = ""
    for sequence in present:
        if not sequence.folders:  # such as one that is rendered when it is used
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PartialCopyWarning)
                sequence.check()
        except InputError as error:
            problem = problem or str(error)
        else:
            return
    if len(present) >= FEWEST_OF_ANOTHER:
        raise InputError(
            f"{dataset.root} holds folders of {len(present)} of the {number} sequences of {dataset.name}, and none of "
            f"them can be used: is it another data set?\n  the first: {problem}\n  expected there: {dataset.layout}"
        )


def _folders_nearby(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [folder.parent, *sorted(path for path in folder.iterdir() if path.is_dir())[:FOLDERS_NEARBY]]
    return []


def _holds_some(dataset: BaseDataset, folder: Path) -> bool:
    with contextlib.suppress(InputError, OSError):
        return any(sequence.is_present() for sequence in type(dataset)(folder).get_sequence_list())
    return False


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


def _warn_of_missing(name: str, sequences: SequenceList) -> None:
    missing = [sequence.native_name for sequence in sequences if not sequence.is_present()]
    if not missing:
        return
    named = ", ".join(missing[:NAMED_MISSING]) + (", ..." if len(missing) > NAMED_MISSING else "")
    warnings.warn(
        f"images of {len(missing)} of {len(sequences)} sequences of {name} are not there: {named}\n"
        f"  what is there and what is expected: python -m pytracking.util_scripts.check_dataset {shlex.quote(name)}",
        PartialCopyWarning,
        stacklevel=3,
    )
