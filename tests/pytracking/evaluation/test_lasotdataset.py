import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation.lasotdataset import LaSOTDataset, LaSOTExtensionSubsetDataset, LaSOTTrainDataset
from tests.pytracking.evaluation.layouts import ROW, write_images, write_rows


def write_sequence(folder, hidden=(0, 0, 1, 0, 0), out=(0, 0, 0, 0, 1)):
    write_images(folder, "img/{:08d}.jpg", range(1, 6))
    write_rows(folder / "groundtruth.txt", [*[ROW] * 4, (0, 0, 0, 0)])
    write_rows(folder / "full_occlusion.txt", [hidden])
    write_rows(folder / "out_of_view.txt", [out])


def test_splits(tmp_path):
    test, train = (dataset(tmp_path).get_sequence_list() for dataset in (LaSOTDataset, LaSOTTrainDataset))
    assert (len(set(test.names)), len(set(train.names))) == (280, 1120)
    assert set(test.names) | set(train.names) == {f"{s.object_class}-{n}" for s in test for n in range(1, 21)}
    assert len(set(LaSOTExtensionSubsetDataset(tmp_path).get_sequence_list().names)) == 150


@pytest.mark.parametrize(
    ("dataset", "name"),
    [(LaSOTDataset, "airplane-1"), (LaSOTTrainDataset, "airplane-2"), (LaSOTExtensionSubsetDataset, "wingsuit-10")],
)
@pytest.mark.parametrize("in_class_folder", [True, False])
def test_layout(tmp_path, dataset, name, in_class_folder):
    write_sequence(tmp_path / name.split("-")[0] / name if in_class_folder else tmp_path / name)
    sequence = dataset(tmp_path).get_sequence_list()[name]
    sequence.check()
    np.testing.assert_array_equal(sequence.ground_truth_rect[[0, -1]], [[4, 5, 20, 10], [-1, -1, 0, 0]])
    assert sequence.target_visible.tolist() == [True, True, False, True, False]
    assert sequence.object_class == name.split("-")[0]
    assert dataset(tmp_path).extra_folders() == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"hidden": (0, 0, 1, 0)}, r"out_of_view\.txt: expected 4 ground-truth rows, found 5"),
        ({"hidden": (0, 0, 1, 0), "out": (0, 0, 0, 0)}, "expected 5 visibility flags"),
        ({"hidden": (0, 0, 2, 0, 0)}, r"full_occlusion\.txt, line 1: expected 0 or 1, found '2'"),
        ({"hidden": ()}, r"full_occlusion\.txt: expected a 0 or 1 per frame, found an empty file"),
    ],
)
def test_inconsistent_flags(tmp_path, flags, message):
    write_sequence(tmp_path / "airplane" / "airplane-1", **flags)
    sequence = LaSOTDataset(tmp_path).get_sequence_list()["airplane-1"]
    sequence.check()  # the flags are not needed to track
    with pytest.raises(InputError, match=message):
        _ = sequence.target_visible


def test_extra_folders(tmp_path):
    for name in ("airplane/airplane-1", "airplane/airplane-2", "airplane/airplane-99"):
        (tmp_path / name).mkdir(parents=True)
    assert LaSOTDataset(tmp_path).extra_folders() == [tmp_path / "airplane" / "airplane-99"]
