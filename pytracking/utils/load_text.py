"""Tables of numbers from text files, under the names of pytracking.

The data sets of this project are read by `ltr.dataset.annotations`, which says in which line a file is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import Any

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array

Delimiters = str | None | SequenceOf[str | None]  # None: white space


def load_text(
    path: str | Path, delimiter: Delimiters = " ", dtype: Any = np.float32, backend: str = "numpy"
) -> Array:  # (rows, columns)
    """Numbers of a file, read with numpy or with pandas; of several delimiters, the first with which it can be read.

    With numpy, a file of one row or one column is of one dimension. Raises InputError where it cannot be read.
    """
    if backend not in ("numpy", "pandas"):
        raise InputError(f"expected backend 'numpy' or 'pandas', found '{backend}'")
    return (load_text_numpy if backend == "numpy" else load_text_pandas)(path, delimiter, dtype)


def load_text_numpy(path: str | Path, delimiter: Delimiters, dtype: Any) -> Array:
    """`load_text` with numpy."""
    return _first_that_reads(path, delimiter, lambda d: np.loadtxt(path, delimiter=d, dtype=dtype))


def load_text_pandas(path: str | Path, delimiter: Delimiters, dtype: Any) -> Array:
    """`load_text` with pandas."""
    import pandas as pd

    def read(delimiter: str | None) -> Array:
        separator = r"\s+" if delimiter is None else delimiter
        return np.asarray(pd.read_csv(path, sep=separator, header=None, dtype=dtype, na_filter=False).values)

    return _first_that_reads(path, delimiter, read)


def _first_that_reads(path: str | Path, delimiter: Delimiters, read: Any) -> Array:
    delimiters = [delimiter] if delimiter is None or isinstance(delimiter, str) else list(delimiter)
    reason: Exception | None = None
    for separator in delimiters:
        try:
            return np.asarray(read(separator))
        except (OSError, ValueError) as error:  # pandas' errors of a malformed file are ValueErrors, too
            reason = reason or error
    raise InputError(f"cannot read numbers from {path}, separated by {delimiters}: {reason}") from reason
