"""The training data sets by name; the module of a data set is imported when it is asked for.

Packages add data sets of their own by entry points of the group `ltr.datasets`: functions without arguments that return
loaders by name. pytracking adds the sequences of its evaluation data sets that way.
"""

import importlib
import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ltr.common.errors import InputError, unknown_name
from ltr.dataset.base import TrackDataset

ENTRY_POINTS = "ltr.datasets"
Loader = Callable[..., TrackDataset]  # called with root=, a folder or None, and the data set's options

# "module:class" in ltr, and its first arguments.
DATASETS: dict[str, tuple[str, dict[str, Any]]] = {
    "lasot_train": ("dataset.lasot:LasotTracks", {}),
    "got10k_train": ("dataset.got10k:Got10kTracks", {"split": "train"}),
    "got10k_val": ("dataset.got10k:Got10kTracks", {"split": "val"}),
    "got10k_vottrain": ("dataset.got10k:Got10kTracks", {"split": "vottrain"}),
    "got10k_votval": ("dataset.got10k:Got10kTracks", {"split": "votval"}),
    "got10k_train_full": ("dataset.got10k:Got10kTracks", {"split": "train_full"}),
    "got10k_official_val": ("dataset.got10k:Got10kTracks", {"split": "official_val"}),
    "trackingnet_train": ("dataset.trackingnet:TrackingNetTracks", {}),
    "coco_train": ("dataset.coco:CocoTracks", {}),
    "vid_train": ("dataset.imagenet_vid:ImageNetVidTracks", {}),
    "synthetic": ("dataset.registry:synthetic_tracks", {}),
    "folder_train": ("dataset.sequences:folder_tracks", {}),
}


def load_dataset(name: str, root: str | Path | None = None, **options: Any) -> TrackDataset:
    """The training data set called `name`; `root` replaces the folder of the settings, and so does `name:root`.

    Further options are the data set's own: `load_dataset("trackingnet_train", sets=range(4))`.
    Raises InputError for an unknown name, a folder that does not hold the data set, and an unknown option.
    """
    known_as, _, path = name.partition(":")
    chosen = root or path or None
    folder = Path(chosen).expanduser().absolute() if chosen else None
    if known_as in DATASETS:
        target, defaults = DATASETS[known_as]
        module, _, attribute = target.partition(":")
        loader: Loader = getattr(importlib.import_module(f"ltr.{module}"), attribute)
        arguments = defaults | options
    else:
        loaders = further_loaders()
        if known_as not in loaders:
            raise unknown_name("training data set", known_as, [*DATASETS, *loaders])
        loader, arguments = loaders[known_as], options
    try:
        inspect.signature(loader).bind(root=folder, **arguments)
    except TypeError as error:
        raise InputError(f"data set {known_as} cannot be loaded like that: {error}") from error
    return loader(root=folder, **arguments)


def synthetic_tracks(
    root: Path | None = None,  # photographs that move in the background; default: those of installed packages
    cutouts: Path | None = None,  # images with transparency; default: pieces of the photographs
    num_tracks: int = 1000,
    seed: int = 0,
) -> TrackDataset:
    """Rendered videos, see `ltr.data.synthetic`."""
    from ltr.data.synthetic import SyntheticTracks

    return SyntheticTracks(cutouts, root, num_tracks=num_tracks, seed=seed)


def further_loaders() -> dict[str, Loader]:
    """Loaders of other packages by name."""
    found: dict[str, Loader] = {}
    for entry in entry_points(group=ENTRY_POINTS):
        found |= entry.load()()
    return found
