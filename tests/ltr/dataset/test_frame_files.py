import pytest

from ltr.dataset.frame_files import images_in, listed_frames, numbered_frames
from pytracking.utils.errors import InputError
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
