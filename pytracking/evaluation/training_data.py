"""Sequences of the evaluation data sets as training data: loaders that ltr finds by the entry point `ltr.datasets`."""

from functools import partial
from pathlib import Path

from ltr.common.errors import InputError
from ltr.dataset.sequences import SequenceTracks
from pytracking.evaluation.datasets import DATASETS, load_dataset


def loaders() -> dict[str, partial[SequenceTracks]]:
    """Loader of each data set of `get_dataset` by its name."""
    return {name: partial(sequence_tracks, name) for name in DATASETS}


def sequence_tracks(
    name: str,
    root: Path | None = None,  # instead of the folder of the settings
    keep: list[str] | None = None,  # names of the sequences to take; default: all that are there
) -> SequenceTracks:
    """Sequences with a box in every frame. Raises InputError where there is none, and for names that are not there."""
    sequences = load_dataset(f"{name}:{root}" if root else name).get_sequence_list()
    chosen = sequences if keep is None else sequences[keep]
    present = [s for s in chosen if s.is_present() and not s.first_box_only]
    if not present:
        raise InputError(f"data set {name} has no sequence with boxes to train on")
    return SequenceTracks(name, present)
