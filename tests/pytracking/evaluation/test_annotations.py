import numpy as np
import pytest

from pytracking.evaluation.annotations import read_boxes, read_table
from pytracking.utils.errors import InputError

BOXES = [[10, 20, 30, 40], [11.5, -2, 30, 41]]


@pytest.mark.parametrize("separator", [",", "\t", " ", ", ", ";", "   ", " ,\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n \n"])
def test_separators_and_line_ends(tmp_path, separator, newline, end):
    path = tmp_path / "boxes.txt"
    rows = [separator.join(map(str, row)) for row in BOXES]
    path.write_bytes((newline.join(rows) + end.replace("\n", newline)).encode())
    np.testing.assert_array_equal(read_boxes(path), BOXES)


def test_byte_order_mark_and_one_based(tmp_path):
    path = tmp_path / "boxes.txt"
    path.write_text("\ufeff1,1,30,40\n", encoding="utf-8")
    np.testing.assert_array_equal(read_boxes(path, one_based=True), [[0, 0, 30, 40]])


def test_absent_rows(tmp_path):
    path = tmp_path / "boxes.txt"
    path.write_text("1,2,3,4\nNaN,NaN,NaN,NaN\n")
    assert np.isnan(read_boxes(path, absent=True)[1]).all()
    with pytest.raises(InputError, match=r"boxes\.txt, line 2: expected finite numbers, found 'NaN,NaN"):
        read_boxes(path)


def test_several_column_counts(tmp_path):
    path = tmp_path / "regions.txt"
    path.write_text("1,2,3,4,5,6,7,8\n" * 2)
    assert read_table(path, columns=(4, 8)).shape == (2, 8)
    path.write_text("1,2,3,4,5,6,7,8\n1,2,3,4\n")
    with pytest.raises(InputError, match="line 2: expected 8 numbers, found 4"):
        read_table(path, columns=(4, 8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2,3,4\n1,2,x,4\n", "line 2: expected numbers, found '1,2,x,4'"),
        (b"1,2,3,4\n1,2,3\n", "line 2: expected 4 numbers, found 3"),
        (b"1,2,3,4\n\n1,2,3,4\n", "line 2: expected numbers, found ''"),
        (b"1,2,,4\n", "line 1: expected numbers"),
        (b"1,2,inf,4\n", "line 1: expected finite numbers"),
        (b"", "found an empty file"),
        (b"\xff\xfe\x00", "is no text file"),
    ],
)
def test_malformed_files(tmp_path, content, message):
    path = tmp_path / "boxes.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_boxes(path)
    assert str(path) in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot read annotation .*none\.txt: No such file"):
        read_boxes(tmp_path / "none.txt")
