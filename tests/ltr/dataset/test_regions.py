import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.dataset.regions import BOX, POLYGON, Regions, read_annotation
from ltr.dataset.sequences import folder_tracks
from pytracking.evaluation.folderdataset import FolderDataset
from pytracking.evaluation.votdataset import VOT2018Dataset
from pytracking.VOT.sequences import vot_sequence
from tests.pytracking.evaluation.layouts import write_images

BOX_ROW, POLYGON_ROW = [10, 4, 12, 10], [10, 4, 20, 8.5, 18, 14, 8, 9]


def test_boxes_and_polygons():
    regions = Regions.from_rows([BOX_ROW, POLYGON_ROW, [np.nan] * 4, [0]])
    np.testing.assert_array_equal(regions.boxes, [BOX_ROW, [8, 4, 12, 10], [np.nan] * 4, [np.nan] * 4])
    np.testing.assert_array_equal(regions.polygons[:2], [[10, 4, 22, 4, 22, 14, 10, 14], POLYGON_ROW])
    assert np.isnan(regions.polygons[2:]).all()


@pytest.mark.parametrize("mark", ["1", "2"])
def test_marks_of_results_are_no_annotation(tmp_path, mark):
    path = tmp_path / "groundtruth.txt"
    path.write_text(f"1,2,3,4\n{mark}\n")
    with pytest.raises(InputError, match=rf"line 2: expected a box or a polygon, found {mark}, a mark of results"):
        read_annotation(path)


@pytest.mark.parametrize(
    ("rows", "kinds"),
    [
        ("10 4 12 10", [BOX]),
        ("10\t4\t12\t10\n10;4;12;10", [BOX, BOX]),
        ("10,5;4;12;10\n11,5;4;12;10", [BOX, BOX]),
        ("10,4,20,8.5,18,14,8,9\nnan,nan,nan,nan,nan,nan,nan,nan", [POLYGON, 0]),
        ("10,4,12,10\nNaN NaN NaN NaN\n0\n10,4,20,8.5,18,14,8,9", [BOX, 0, 0, POLYGON]),
    ],
)
def test_every_reader_takes_the_same_files(tmp_path, rows, kinds):
    """Data sets, the VOT experiment and training data: the same boxes, and the same frames without target."""
    names, count = "ants1", len(kinds) + 1
    write_images(tmp_path / names, "img/{:08d}.jpg", range(1, count + 1))
    write_images(tmp_path / names, "color/{:08d}.jpg", range(1, count + 1))
    (tmp_path / names / "groundtruth.txt").write_text(f"{rows}\n{rows.splitlines()[0]}\n")
    expected = [*kinds, kinds[0]]
    boxes = read_annotation(tmp_path / names / "groundtruth.txt").boxes
    for dataset in (VOT2018Dataset(tmp_path), FolderDataset(tmp_path)):
        sequence = dataset.get_sequence_list()[names]
        sequence.check()
        assert vot_sequence(sequence).truth.kinds.tolist() == expected
        np.testing.assert_array_equal(sequence.ground_truth_rect, boxes)
        assert sequence.target_visible.tolist() == [kind >= BOX for kind in expected]
    track = folder_tracks(tmp_path).track(0)
    np.testing.assert_array_equal(track.boxes, boxes)
    assert track.visible.tolist() == [kind >= BOX for kind in expected]
