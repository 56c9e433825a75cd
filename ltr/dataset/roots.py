"""Folders of the training data: where they are, and what of a data set is there."""

import json
import os
import warnings
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ltr.common.environment import env_settings
from ltr.common.errors import InputError


class PartialDataWarning(UserWarning):
    """Sequences of a data set are not there; a training uses the others."""


def data_root(setting: str, layout: str, root: Path | None) -> Path:
    """`root`, or the folder of the settings. Raises InputError, with the expected layout, where it is no folder."""
    if root is None:
        return env_settings().data_path(setting, layout)
    if not root.is_dir():
        raise InputError(f"{root} is no folder\n  expected there: {layout}")
    return root


def present_folders(dataset: str, root: Path, wanted: Iterable[str], layout: str) -> list[Path]:
    """Those of the wanted sub-folders, `a` or `a/b`, that are there, in order.

    Warns with PartialDataWarning where some are missing; raises InputError where all are.
    """
    names = [item.rpartition("/") for item in wanted]
    listed = {parent: _sub_folders(root / parent) for parent in {parent for parent, _, _ in names}}
    found = [root / parent / name for parent, _, name in names if name in listed[parent]]
    if not found:
        raise InputError(f"{root} holds no sequence of {dataset}\n  expected there: {layout}")
    if len(found) < len(names):
        missing = min(name for parent, _, name in names if name not in listed[parent])
        warnings.warn(
            f"{len(found)} of {len(names)} sequences of {dataset} are in {root}; the first missing one is {missing}",
            PartialDataWarning,
            stacklevel=3,
        )
    return found


@cache
def load_table(name: str, package: str = "ltr.dataset") -> dict[str, Any]:
    """Content of `tables/<name>.json` in a package; shared, so it is not to be changed."""
    text = resources.files(package).joinpath(f"tables/{name}.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def _sub_folders(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_dir()}
    except OSError:
        return set()
