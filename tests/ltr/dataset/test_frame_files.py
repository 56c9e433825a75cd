from pathlib import Path

import pytest

from ltr.common.errors import InputError
from ltr.dataset.frame_files import images_in, listed_frames, numbered_frames, ordered_frames
from tests.pytracking.evaluation.layouts import write_images


def test_order_of_numbers_and_other_files(tmp_path):
    write_images(tmp_path, "{}.jpg", range(8, 13))
    for name in ("notes.txt", ".8.jpg", "cover.jpg", "Thumbs.db"):
        (tmp_path / name).touch()
    assert [path.stem for path in listed_frames(tmp_path)] == ["8", "9", "10", "11", "12"]
    assert len(images_in(tmp_path)) == 6


def test_gap_and_nothing(tmp_path):
    write_images(tmp_path, "{}.jpg", [1, 2, 4])
    with pytest.raises(InputError, match=r"expected image 3 after 2\.jpg, found 4"):
        listed_frames(tmp_path)
    for empty in (tmp_path / "nowhere", tmp_path / "2.jpg"):
        with pytest.raises(InputError, match="holds no numbered images"):
            listed_frames(empty)


def test_first_pattern_that_exists(tmp_path):
    patterns = ["a/{:03d}.jpg", "b/{:03d}.jpg"]
    assert numbered_frames(tmp_path, patterns, 2, 3) == [tmp_path / "a" / f"00{n}.jpg" for n in (2, 3)]
    write_images(tmp_path, "b/{:03d}.jpg", [2])
    assert numbered_frames(tmp_path, patterns, 2, 3) == [tmp_path / "b" / f"00{n}.jpg" for n in (2, 3)]


def order(names):
    return [path.name for path in ordered_frames(Path("some") / name for name in names)]


@pytest.mark.parametrize(
    "names",
    [
        ["9.jpg", "10.jpg", "011.jpg"],
        ["frame_9.png", "frame_10.png"],
        ["a.png", "b.png"],
        ["img2_9.png", "img2_10.png", "img10_1.png"],
        ["start_1.png", "middle_2.png", "end_3.png"],
        ["0.25.png", "0.5.png", "0.75.png", "1.0.png"],  # equal steps
        ["0.033.png", "0.066.png", "0.1.png", "0.133.png"],  # no counter begins with a zero
        ["t9,95.png", "t10,05.png", "t10,1.png"],
        ["1699999999.9.png", "1700000000.05.png", "1700000000.1234567.png"],
        ["1.8.png", "1.9.png", "1.10.png", "1.11.png", "2.1.png"],  # no short decimal ends in a zero
        ["1.8.png", "1.9.png", "2.1.png", "12.8.png"],  # both orders are the same
        ["2024.1.9.png", "2024.1.10.png", "2024.02.01.png"],
        ["1.250.png", "1.500.png", "10.000.png"],
    ],
)
def test_order_of_names(names):
    assert order(names) == names
    assert order(reversed(names)) == names


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0001.jpg", "0001.png", "0002.jpg"], r"some: expected one image for each number, found 0001\.jpg and 0001"),
        (["1.jpg", "2.jpg", "01.jpg"], r"one image for each number, found 01\.jpg and 1\.jpg"),
        (["left_1.png", "left_2.png", "right_1.png", "right_2.png"], "left_1.png and right_1.png"),
        (["0.033.png", "0.1.png", "0.10.png"], "with counters in their names"),  # a zero at either end
        (["0.05.png", "0.5.png", "0.1.png", "00.1.png"], "one image for each number"),
        (["1.8.png", "1.9.png", "1.12.png"], r"1\.8\.png is before 1\.12\.png, with decimal numbers .* after it"),
        (["1.png", "2.png", "cover.png"], r"expected a number in the name of every image, found none in cover\.png"),
    ],
)
def test_names_without_order(names, message):
    with pytest.raises(InputError, match=message):
        order(names)


def test_equal_numbers_of_a_listed_folder(tmp_path):
    for name in ("1.jpg", "2.jpg", "02.png", "3.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"one image for each number, found 02\.png and 2\.jpg"):
        listed_frames(tmp_path)
