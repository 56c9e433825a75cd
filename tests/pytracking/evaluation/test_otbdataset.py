import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.common.image import read_image
from pytracking.evaluation.otbdataset import OTBDataset
from tests.pytracking.dummy import write_frames
from tests.shared_data import shared_path

REAL = {
    "Car4": (659, [70, 51, 107, 87]),  # CRLF
    "Couple": (140, [51, 47, 25, 62]),  # tab
    "Crossing": (120, [205, 151, 17, 50]),
    "Diving": (215, [177, 51, 21, 129]),  # 231 images
    "Dog1": (1350, [139, 112, 51, 36]),
    "DragonBaby": (113, [160, 83, 56, 65]),
    "Football1": (74, [153, 105, 26, 43]),  # 81 images
    "Jogging_1": (307, [111, 98, 25, 101]),
    "Jogging_2": (307, [180, 79, 37, 114]),
    "Man": (134, [69, 48, 26, 39]),
}


@pytest.mark.parametrize("name", REAL)
def test_real_sequences(name):
    sequence = OTBDataset(shared_path("data", "OTB100")).get_sequence_list()[name]
    frames, first_row = REAL[name]
    sequence.check()
    assert len(sequence) == len(sequence.ground_truth_rect) == frames
    np.testing.assert_array_equal(sequence.ground_truth_rect[0], np.array(first_row) - [1, 1, 0, 0])
    image = read_image(sequence.frames[-1])
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


def test_table(tmp_path):
    sequences = OTBDataset(tmp_path).get_sequence_list()
    assert len(set(sequences.names)) == 100
    assert sum(len(s) for s in sequences) == 59035  # annotated frames of the benchmark
    for name, first, last in (
        ("David", "img/0300.jpg", "img/0770.jpg"),
        ("BlurCar3", "img/0003.jpg", "img/0359.jpg"),
        ("Board", "img/00001.jpg", "img/00698.jpg"),
        ("Tiger1", "img/0006.jpg", "img/0354.jpg"),
    ):
        assert [sequences[name].frames[i] for i in (0, -1)] == [tmp_path / name / f for f in (first, last)]
    assert sequences["Human4_2"].frames[0] == tmp_path / "Human4/img/0001.jpg"
    assert all(s.object_class for s in sequences)


def test_tiger1_leaves_out_five_rows(tmp_path):
    (tmp_path / "Tiger1").mkdir()
    rows = [f"{number},50,30,40" for number in range(1, 355)]
    (tmp_path / "Tiger1" / "groundtruth_rect.txt").write_text("\n".join(rows))
    boxes = OTBDataset(tmp_path).get_sequence_list()["Tiger1"].ground_truth_rect
    assert len(boxes) == 349
    np.testing.assert_array_equal(boxes[0], [5, 49, 30, 40])


def test_kitesurf_in_either_layout(tmp_path):
    sequences = OTBDataset(tmp_path).get_sequence_list
    write_frames(tmp_path / "KiteSurf" / "jpg", 2, extension="png")
    assert sequences()["KiteSurf"].frames[0].name == "0001.png"
    write_frames(tmp_path / "KiteSurf" / "img", 2)
    assert sequences()["KiteSurf"].frames[0].name == "0001.jpg"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["306,5,95,65"] * 70, r"groundtruth_rect\.txt: expected 71 ground-truth rows, found 70"),
        (["NaN,NaN,NaN,NaN"] + ["306,5,95,65"] * 70, r"groundtruth_rect\.txt, line 1: expected finite numbers"),
        (["306,5,95,65"] * 30 + ["306,5,95"] + ["306,5,95,65"] * 40, "line 31: expected 4 numbers, found 3"),
        (["306,5,0,65"] + ["306,5,95,65"] * 70, "positive width and height"),
    ],
)
def test_bad_annotation(tmp_path, rows, message):
    write_frames(tmp_path / "Deer" / "img", 71)
    (tmp_path / "Deer" / "groundtruth_rect.txt").write_text("\n".join(rows))
    with pytest.raises(InputError, match=message):
        OTBDataset(tmp_path).get_sequence_list()["Deer"].check()
