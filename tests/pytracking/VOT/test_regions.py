import struct

import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.dataset.regions import BOX, POLYGON, box_preserving_area
from pytracking.VOT.regions import format_row, initial_box, read_regions


def test_text(tmp_path):
    path = tmp_path / "a_001.txt"
    path.write_text("1\r\n1.5,2,3,4\n2\n0.0000\nnan,nan,nan,nan\n1,2,3,4,5,6,7,8\n\n")
    regions = read_regions(path)
    assert regions.kinds.tolist() == [1, BOX, 2, 0, 0, POLYGON]
    assert regions.row(1) == [1.5, 2, 3, 4]
    assert regions.row(2) == [2]
    np.testing.assert_array_equal(regions.values[5], [1, 2, 3, 4, 5, 6, 7, 8])
    assert np.isnan(regions.values[1, 4:]).all()


def test_binary(tmp_path):
    path = tmp_path / "a_001.bin"
    polygon = (1, 2, 3, 4, 5, 6, 7, 8.5)
    path.write_bytes(
        struct.pack("<hI", 1, 3)
        + struct.pack("<BI", 0, 1)
        + struct.pack("<B4f", 1, 1, 2, 3, 4.5)
        + struct.pack("<BH8f", 2, 4, *polygon)
    )
    regions = read_regions(path)
    assert [regions.row(i) for i in range(3)] == [[1], [1, 2, 3, 4.5], list(polygon)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n1,2,3\n", ", line 2: expected 1, 4 or 8 numbers, found 3"),
        ("3\n", ": row 1: expected 0, 1, 2, or a region"),
        ("1\n\n2\n", ", line 2: expected numbers, found ''"),
        ("1,2,x,4\n", ", line 1: expected numbers, found '1,2,x,4'"),
        ("m1,2,3,4,5\n", ", line 1: expected a box or a polygon, found a mask"),
        ("1,2,inf,4\n", ", line 1: expected finite numbers"),
        ("1,2,nan,4\n", ", line 1: expected finite numbers, or NaN in all columns"),
        ("1,5 2,5 3,5 4,5\n", ", line 1: cannot tell whether"),
    ],
)
def test_malformed_text(tmp_path, text, message):
    path = tmp_path / "a_001.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=f"a_001.txt{message}"):
        read_regions(path)


@pytest.mark.parametrize("data", [b"", struct.pack("<hI", 2, 0), struct.pack("<hIB", 1, 1, 3)])
def test_malformed_binary(tmp_path, data):
    path = tmp_path / "a_001.bin"
    path.write_bytes(data)
    with pytest.raises(InputError, match="a_001"):
        read_regions(path)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.txt: No such file"):
        read_regions(tmp_path / "none.txt")


def test_format():
    assert format_row([2.0]) == "2"
    assert format_row([1, 2.00006, 3, 4]) == "1.0000,2.0001,3.0000,4.0000"


def test_box_of_an_upright_polygon():
    """Area and center are kept; the corners are centers of pixels, so a side has one pixel more."""
    assert box_preserving_area([10, 10, 30, 10, 30, 20, 10, 20]) == pytest.approx([9.5, 9.5, 21, 11])


def test_box_of_a_rotated_polygon():
    """A square of side 10 turned by 45 degrees: the box around it has twice its area."""
    r = 50**0.5
    x, y, w, h = box_preserving_area([20 - r, 20, 20, 20 - r, 20 + r, 20, 20, 20 + r])
    assert (w - 1) * (h - 1) == pytest.approx(100)
    assert (x + w / 2, y + h / 2) == pytest.approx((20, 20))


def test_box_of_a_flat_polygon():
    assert box_preserving_area([0, 0, 4, 0, 4, 0, 0, 0]) == pytest.approx([-0.5, -0.5, 5, 1])


def test_initial_box():
    assert initial_box([1, 2, 3, 4]) == [1, 2, 3, 4]
    assert initial_box([10, 10, 30, 10, 30, 20, 10, 20]) == pytest.approx([9.5, 9.5, 21, 11])
    with pytest.raises(ValueError, match="expected a polygon of four corners"):
        initial_box([1.0])
