from pathlib import Path

import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.utils.load_text import load_text

ROWS = [[1.5, 2.0, 30.0, 4.0], [5.0, 6.25, 7.0, 8.0]]


@pytest.mark.parametrize("backend", ["numpy", "pandas"])
@pytest.mark.parametrize(
    ("separator", "delimiter"), [(",", ","), ("\t", (",", "\t")), ("  ", None), (" ", (",", None))]
)
def test_tables(tmp_path: Path, backend: str, separator: str, delimiter: str | tuple[str, ...]) -> None:
    path = tmp_path / "boxes.txt"
    path.write_text("".join(separator.join(map(str, row)) + "\n" for row in ROWS))
    table = load_text(path, delimiter, np.float64, backend)
    assert table.dtype == np.float64
    np.testing.assert_array_equal(table, ROWS)


def test_default_is_a_space_and_single_precision(tmp_path: Path) -> None:
    path = tmp_path / "boxes.txt"
    path.write_text("1 2 3 4\n5 6 7 8\n")
    assert load_text(str(path)).dtype == np.float32
    np.testing.assert_array_equal(load_text(str(path)), [[1, 2, 3, 4], [5, 6, 7, 8]])


@pytest.mark.parametrize("backend", ["numpy", "pandas"])
def test_what_cannot_be_read(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "boxes.txt"
    path.write_text("1,2,three,4\n")
    with pytest.raises(InputError, match=r"cannot read numbers from .*boxes\.txt, separated by \[',', '\\t'\]"):
        load_text(path, (",", "\t"), np.float64, backend)
    with pytest.raises(InputError, match=r"missing\.txt"):
        load_text(tmp_path / "missing.txt", ",", np.float64, backend)
    with pytest.raises(InputError, match="'panda'"):
        load_text(path, ",", np.float64, "panda")
