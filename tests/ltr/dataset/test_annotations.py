import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltr.common.errors import InputError
from ltr.dataset.annotations import (
    boxes_to_polygons,
    corners_to_boxes,
    polygons_to_boxes,
    read_boxes,
    read_flags,
    read_lines,
    read_rows,
    read_table,
)

BOXES = [[10, 20, 30, 40], [11.5, -2, 30, 41]]

# One file is written again and again.
fuzzed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = st.one_of(st.integers(-2000, 2000), st.floats(-1e5, 1e5, allow_nan=False))
rows = st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=8)


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
    path.write_text("1,2,3,4\n1,2,NaN,4\n")
    with pytest.raises(InputError, match=r"line 2: expected finite numbers, or NaN in all columns, found '1,2,NaN,4'"):
        read_boxes(path, absent=True)


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
        (b"1,2,3,4,\n", "line 1: expected numbers"),
        (b"1,2,3,1_0\n", "line 1: expected numbers"),
        ("1,2,3,\u0664\n".encode(), "line 1: expected numbers"),
        (b"1,2,3,1e999\n", "line 1: expected finite numbers"),
        (b"1,2,3,4\n1,2,3,-inf\n", "line 2: expected finite numbers"),
        (b"1 2\t3 4\n1 2\t3 4 5\n", "line 2: expected 4 numbers, found 5"),
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


def test_polygons_and_corners():
    np.testing.assert_array_equal(polygons_to_boxes(np.array([[10, 4, 20, 8.5, 18, 14, 8, 9]])), [[8, 4, 12, 10]])
    np.testing.assert_array_equal(boxes_to_polygons(np.array(BOXES))[0], [10, 20, 40, 20, 40, 60, 10, 60])
    np.testing.assert_array_equal(polygons_to_boxes(boxes_to_polygons(np.array(BOXES))), BOXES)
    np.testing.assert_array_equal(corners_to_boxes(np.array([[10, 20, 40, 60.0]])), [[10, 20, 30, 40]])
    assert np.isnan(polygons_to_boxes(np.full((1, 8), np.nan))).all()


@pytest.mark.parametrize(
    "row",
    [
        "10,5;20,5;30,0;15,0",
        "10,5\t20,5\t30,0\t15,0",
        "10,5 ; 20,5 ; 30 ; 15",
        "10,5 20,5 30 15",
        "10,5  20,5\t30;15",
        "1,05e1;20,5;3e1;15",
    ],
)
def test_decimal_commas(tmp_path, row):
    """Only one reading of the row has the columns, or its separator is a spreadsheet's."""
    path = tmp_path / "boxes.txt"
    path.write_text(f"{row}\nNaN;NaN;NaN;NaN\n")
    for boxes in (read_table(path, columns=(4, 8), absent=True), read_boxes(path, absent=True)):
        np.testing.assert_array_equal(boxes[0], [10.5, 20.5, 30, 15])


def test_decimal_commas_of_polygons(tmp_path):
    path = tmp_path / "polygons.txt"
    path.write_text("10,5;4;20;8,25;18;14;8;9\n")
    np.testing.assert_array_equal(read_table(path, columns=(4, 8)), [[10.5, 4, 20, 8.25, 18, 14, 8, 9]])
    path.write_text("1,5 2,5 3,5 4,5 5,5 6,5 7,5 8,5\n")
    np.testing.assert_array_equal(read_table(path, columns=(4, 8)), [np.arange(1, 9) + 0.5])


@pytest.mark.parametrize(
    "text",
    [
        "10,5 20,5 30,0 15,0\n",  # corners x,y, or four numbers
        "10,5, 20,5, 30,0, 15,0\n",
        "10,20 30,40 50,60 70,80\n10,20 30,40 50,60 70,80\n",
    ],
)
def test_commas_with_two_readings(tmp_path, text):
    path = tmp_path / "regions.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=r"regions\.txt, line 1: cannot tell .*decimal signs.* or .*as separators"):
        read_table(path, columns=(4, 8))
    assert read_table(path, columns=4).shape[1] == 4  # corners are not allowed


@pytest.mark.parametrize(
    "text", ["10, 20, 30, 15\n11, 20, 30, 15\n", "10,20;30,15\n", "10 ,20 30;15", "10,2.5;30,15\n"]
)
def test_commas_that_separate(tmp_path, text):
    path = tmp_path / "boxes.txt"
    path.write_text(text)
    assert read_table(path, columns=(4, 8)).shape[1] == 4


def test_a_comma_has_one_meaning_in_a_file(tmp_path):
    path = tmp_path / "boxes.txt"
    path.write_text("10,20,30,15\n10,5;20;30;15\n")
    with pytest.raises(InputError, match="line 2: expected 4 numbers, found 5"):
        read_boxes(path)
    path.write_text("10.5;20;30;15\n10,5;20;30;15\n")
    with pytest.raises(InputError, match="line 2: expected 4 numbers, found 5"):
        read_boxes(path)


def test_rows_of_different_length(tmp_path):
    path = tmp_path / "regions.txt"
    path.write_text("1 2 3 4\n1,2,3,4,5,6,7,8\nnan nan nan nan\n0\n")
    assert [len(row) for row in read_rows(path, (1, 4, 8))] == [4, 8, 4, 1]
    with pytest.raises(InputError, match="line 2: expected 1 or 4 numbers, found 8"):
        read_rows(path, (1, 4))


@pytest.mark.parametrize("text", ["0,1,1,0", "0\n1\n1\n0\n", "0 1\n1 0"])
def test_flags(tmp_path, text):
    path = tmp_path / "flags.txt"
    path.write_text(text)
    assert read_flags(path).tolist() == [False, True, True, False]


@fuzzed
@given(rows, st.sampled_from([",", "\t", " ", ";", ", ", "  "]), st.sampled_from(["\n", "\r\n"]))
def test_every_number_is_read_as_it_stands(tmp_path, values, separator, newline):
    path = tmp_path / "boxes.txt"
    path.write_bytes(newline.join(separator.join(map(repr, row)) for row in values).encode())
    np.testing.assert_array_equal(read_table(path, columns=4), np.array(values, dtype=np.float64))


def table_or_message(path):
    try:
        return read_table(path, columns=4), ""
    except InputError as error:
        return None, str(error)


@fuzzed
@given(
    rows,
    st.sampled_from([",", "\t", " "]),
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.integers(0, 3),
            st.sampled_from([*',; \t\n\r\x0c-.e"#\0', "", "nan", "inf", "1_0", "0x1"]),
        ),
        max_size=4,
    ),
)
def test_damaged_files(tmp_path, values, separator, damages):
    path = tmp_path / "boxes.txt"
    text = "\n".join(separator.join(map(str, row)) for row in values)
    for place, removed, added in damages:
        position = int(place * len(text))
        text = text[:position] + added + text[position + removed :]
    path.write_bytes(text.encode())
    table, message = table_or_message(path)
    if table is None:
        assert re.search(rf"{re.escape(str(path))}(, line \d+: |: expected one row)", message)
        return
    lines = read_lines(path)
    assert table.shape == (len(lines), 4)
    cells = [re.split(r"[\s,;]+", line) for line in lines]
    if any(len(row) != 4 for row in cells):  # the comma that was put in can be a decimal sign
        cells = [re.split(r"[\s;]+", line.replace(",", ".")) for line in lines]
    np.testing.assert_array_equal(table, [[float(cell) for cell in row] for row in cells])
