"""Scores kept between calls, each under a hash of all that it was computed from.

One file per tracker run holds a key and the numbers of each sequence. The key covers the content of the result files,
the ground truth, the rules and the scoring code, so a number is found again only where computing it would give the
same one. Files that are missing, damaged or cannot be written are as good as an empty cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ltr.common.files import replacing
from ltr.common.types import Array
from pytracking.analysis import result_files
from pytracking.scoring import conventions, metrics, rows

Entries = dict[str, tuple[str, Array]]  # sequence -> (key, numbers (K,))


def code_hash() -> str:
    """Hash of the modules that turn a result file into numbers: another program makes other numbers."""
    digest = hashlib.sha256()
    for module in (conventions, metrics, result_files, rows):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


def load_entries(path: Path) -> Entries:
    """Entries of a cache file; none where it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            names, keys, numbers = stored["names"], stored["keys"], stored["numbers"]
        if numbers.ndim != 2 or not len(names) == len(keys) == len(numbers) or numbers.dtype != np.float64:
            return {}
        return {str(n): (str(key), row) for n, key, row in zip(names, keys, numbers, strict=True)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def save_entries(path: Path, entries: Mapping[str, tuple[str, Array]]) -> None:
    """Replace a cache file; where the folder cannot be written the scores are computed again next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            np.savez(
                temporary,
                names=np.array(list(entries)),
                keys=np.array([key for key, _ in entries.values()]),
                numbers=np.array([numbers for _, numbers in entries.values()]),
            )
