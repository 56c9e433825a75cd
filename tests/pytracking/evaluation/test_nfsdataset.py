import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation.nfsdataset import NFSDataset
from tests.pytracking.evaluation.layouts import write_images, write_rows


def official_row(number, lost=0):
    return (0, number, 6, number + 20, 16, number, lost, 0, 1, '"ping pong ball"')


def write_official(root, images, rows):
    write_images(root, "pingpong_2/30/pingpong_2/{:05d}.jpg", range(1, images + 1))
    lines = [official_row(number, lost=int(number == 8)) for number in range(rows)]
    return write_rows(root / "pingpong_2/30/pingpong_2.txt", lines, separator=" ")


def test_frames_of_the_benchmark(tmp_path):
    sequences = NFSDataset(tmp_path).get_sequence_list()
    assert len(set(sequences.names)) == 100
    assert all(s.name == f"nfs_{s.native_name}" and s.object_class for s in sequences)


@pytest.mark.parametrize(
    ("images", "rows", "frames", "step"),
    [
        (30, 30, 30, 1),
        (30, 29, 29, 1),
        (30, 31, 30, 1),
        (30, 240, 30, 8),  # annotated at 240 fps
        (30, 233, 30, 8),
        (30, 241, 30, 8),
        (30, 232, 29, 8),
    ],
)
def test_official_layout(tmp_path, images, rows, frames, step):
    write_official(tmp_path, images, rows)
    sequence = NFSDataset(tmp_path).get_sequence_list()["pingpong_2"]
    sequence.check()
    assert len(sequence) == len(sequence.ground_truth_rect) == frames
    np.testing.assert_array_equal(sequence.ground_truth_rect[2], [2 * step, 6, 20, 10])
    assert np.flatnonzero(~sequence.target_visible).tolist() == [8 // step]


@pytest.mark.parametrize(("images", "rows"), [(30, 28), (30, 32), (30, 60), (15, 240), (30, 250)])
def test_rows_that_do_not_fit(tmp_path, images, rows):
    write_official(tmp_path, images, rows)
    with pytest.raises(InputError, match=rf"pingpong_2\.txt: expected {images} .* at 240 fps, found {rows}"):
        NFSDataset(tmp_path).get_sequence_list()["pingpong_2"].check()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('0 5 6 25 16 3 0 0 "ball"', "line 4: expected numbers"),
        ("0 5 6 25 16 3 0 0", "line 4: expected 9 numbers, found 8"),
        ('0 25 6 5 16 3 0 0 1 "ball"', "line 4: expected xmin <= xmax"),
        ('0 nan 6 5 16 3 0 0 1 "ball"', "line 4: expected finite"),
    ],
)
def test_malformed_official_rows(tmp_path, line, message):
    path = write_official(tmp_path, 9, 9)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], line, *lines[4:]]))
    with pytest.raises(InputError, match=message):
        _ = NFSDataset(tmp_path).get_sequence_list()["pingpong_2"].ground_truth_rect


def test_layout_of_pytracking(tmp_path):
    (last,) = (s._frames.args[-1] for s in NFSDataset(tmp_path).get_sequence_list() if s.native_name == "Skiing_red")
    write_images(tmp_path, "sequences/Skiing_red/{:05d}.jpg", range(1, last + 1))
    write_rows(tmp_path / "anno/nfs_Skiing_red.txt", [(5, 6, 20, 10)] * last, separator="\t")
    write_official(tmp_path, 9, 9)
    sequences = NFSDataset(tmp_path).get_sequence_list()
    for name in ("nfs_Skiing_red", "nfs_pingpong_2"):  # one data set may hold both layouts
        sequences[name].check()
    assert len(sequences["Skiing_red"]) == last == 69
    np.testing.assert_array_equal(sequences["Skiing_red"].ground_truth_rect[0], [5, 6, 20, 10])


def test_rows_without_images_can_be_scored(tmp_path):
    write_rows(tmp_path / "Skiing_red/30/Skiing_red.txt", map(official_row, range(69 * 8)), separator=" ")
    sequence = NFSDataset(tmp_path).get_sequence_list()["Skiing_red"]
    assert len(sequence.ground_truth_rect) == 69
    with pytest.raises(InputError, match="69 of 69 images are missing"):
        sequence.check()
