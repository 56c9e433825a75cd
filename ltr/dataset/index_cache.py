"""Indices of data sets whose annotations take minutes to read: arrays in a file that is made once."""

import contextlib
import hashlib
import os
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path

import numpy as np

from ltr.common.environment import env_settings
from ltr.common.files import replacing
from ltr.common.types import Array

Index = dict[str, Array]
LOOKERS = 16  # threads
_STATE = "state_of_the_source"


def cached_index(name: str, source: Path, version: int, build: Callable[[], Index]) -> Index:
    """What `build` returns, kept in `<workspace_path>/index` for the next time.

    `source` is the file or folder that the index is made from: it is made anew where names, size or time of change of
    any file, at whichever depth, or `version`, the number of the index's format, differ from those of the last time.
    Where no file can be written, it is done without.
    """
    place = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:16]
    path = env_settings().workspace_path / "index" / f"{name}-{place}.npz"
    state = _state(source, version)  # before reading: what changes meanwhile is noticed the next time
    index = _read(path)
    if index is None or str(index.pop(_STATE, "")) != state:
        print(
            f"reading the annotations of {name} in {source}; this is done once, until they change",
            file=sys.stderr,
            flush=True,
        )
        index = build()
        _write(path, {**index, _STATE: np.array(state)})
    return index


def _state(source: Path, version: int) -> str:
    """Hash of the format's number and of the names, sizes and times of change of all files.

    One look at each file. On a network disk looks take long and can be made side by side.
    """
    digest = hashlib.sha256(f"{version} {source.resolve()}".encode())
    folders = sorted(folder for folder, _, _ in os.walk(source)) or [str(source)]
    with ThreadPoolExecutor(LOOKERS) as pool:
        for entry in pool.map(_files_of, folders):
            digest.update(entry)
    return digest.hexdigest()


def _files_of(place: str) -> bytes:
    """Name, size and time of change of a file, or of each file of a folder."""
    if not os.path.isdir(place):
        state = os.stat(place)
        return f"{state.st_size} {state.st_mtime_ns}".encode()
    with os.scandir(place) as entries:
        states = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
    lines = (f"{place}/{name} {state.st_size} {state.st_mtime_ns}" for name, state in sorted(states, key=itemgetter(0)))
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).digest()


def _read(path: Path) -> Index | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, index: Index) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **index)  # type: ignore[arg-type]
