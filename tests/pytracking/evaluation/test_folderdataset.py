import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation import get_dataset
from pytracking.evaluation.folderdataset import FolderDataset
from tests.pytracking.evaluation.layouts import ROW, write_images, write_rows
from tests.shared_data import shared_path


@pytest.mark.parametrize("images", ["{:04d}.jpg", "img/frame{}.png", "color/{:08d}.JPEG"])
@pytest.mark.parametrize("boxes", ["groundtruth.txt", "groundtruth_rect.txt"])
def test_one_sequence(tmp_path, images, boxes):
    write_images(tmp_path / "mine", images, range(1, 13))
    write_rows(tmp_path / "mine" / boxes, [ROW, ["nan"] * 4, *[ROW] * 10], separator=" ")
    (sequence,) = get_dataset(f"folder:{tmp_path / 'mine'}")
    sequence.check()
    assert (sequence.name, sequence.dataset, len(sequence)) == ("mine", "folder", 12)
    assert sequence.frames[9].name == (images.split("/")[-1]).format(10)  # 10 after 9
    np.testing.assert_array_equal(sequence.ground_truth_rect[0], ROW)
    assert sequence.target_visible[:3].tolist() == [True, False, True]


def test_several_sequences_and_the_setting(tmp_path, monkeypatch):
    for name in ("b", "a"):
        write_images(tmp_path, f"{name}/{{}}.jpg", range(3))
        write_rows(tmp_path / name / "init.txt", [ROW])
    (tmp_path / "notes").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "groundtruth.txt").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("PYTRACKING_FOLDER_PATH", str(tmp_path))
    sequences = get_dataset("folder")
    assert sequences.names == ["a", "b", "broken"]
    sequences["a"].check()
    assert sequences["a"].first_box_only
    with pytest.raises(InputError, match="expected images there or in its img"):
        sequences["broken"].check()


def test_polygons(tmp_path):
    write_images(tmp_path, "{}.jpg", range(2))
    write_rows(tmp_path / "groundtruth.txt", [(10, 4, 20, 8, 18, 14, 8, 9)] * 2)
    (sequence,) = FolderDataset(tmp_path).get_sequence_list()
    np.testing.assert_array_equal(sequence.ground_truth_rect[0], [8, 4, 12, 10])


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match=r"holds no sequence\n  expected there: images \(in the folder"):
        FolderDataset(tmp_path).get_sequence_list()
    with pytest.raises(InputError, match=r"nowhere is no folder\n  expected there for data set folder"):
        get_dataset(f"folder:{tmp_path / 'nowhere'}")


def test_real_sequences():
    sequences = FolderDataset(shared_path("data", "train")).get_sequence_list()
    assert len(sequences) == 5
    for sequence in sequences:
        sequence.check()
