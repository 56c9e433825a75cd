"""Indices of data sets whose annotations take minutes to read: arrays in a file that is made once."""

import contextlib
import hashlib
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ltr.admin.environment import env_settings
from ltr.admin.files import temporary_beside
from ltr.data.types import Array

Index = dict[str, Array]


def cached_index(name: str, source: Path, version: int, build: Callable[[], Index]) -> Index:
    """What `build` returns, kept in `<workspace_path>/index` for the next time.

    `source` is the file or folder that the index is made from: the file is made anew where its path, size or time of
    change differ, or `version`, the number of the index's format. Where no file can be written, it is done without.
    """
    path = env_settings().workspace_path / "index" / f"{name}-{_fingerprint(source, version)}.npz"
    index = _read(path)
    if index is None:
        print(f"reading the annotations of {name} in {source}; this is done once", file=sys.stderr, flush=True)
        index = build()
        _write(path, index)
    return index


def _fingerprint(source: Path, version: int) -> str:
    state = source.stat()
    text = f"{version} {source.resolve()} {state.st_size} {state.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path) -> Index | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, index: Index) -> None:
    temporary = temporary_beside(path)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            np.savez_compressed(temporary, **index)  # type: ignore[arg-type]
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
