import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation.got10kdataset import GOT10KTestDataset, GOT10KValDataset
from tests.pytracking.evaluation.layouts import ROW, write_images, write_rows


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "val" / "GOT-10k_Val_000002"
    write_images(folder, "{:08d}.jpg", range(1, 6))
    write_rows(folder / "groundtruth.txt", [ROW] * 5)
    write_rows(folder / "absence.label", [[0], [0], [1], [0], [0]])
    write_rows(folder / "cover.label", [[8], [8], [5], [0], [1]])
    folder = tmp_path / "test" / "GOT-10k_Test_000180"
    write_images(folder, "{:08d}.jpg", range(1, 6))
    write_rows(folder / "groundtruth.txt", [("347.0000", "443.0000", "429.0000", "272.0000")])
    return tmp_path


@pytest.mark.parametrize("subfolder", ["", "val"])
def test_validation(root, subfolder):
    sequences = GOT10KValDataset(root / subfolder).get_sequence_list()
    assert len(set(sequences.names)) == 180
    sequence = sequences["GOT-10k_Val_000002"]
    sequence.check()
    np.testing.assert_array_equal(sequence.ground_truth_rect[0], ROW)
    assert sequence.target_visible.tolist() == [True, True, False, False, True]
    with pytest.raises(InputError, match="cannot read annotation"):
        sequences["GOT-10k_Val_000001"].check()


def test_test_split(root):
    sequences = GOT10KTestDataset(root).get_sequence_list()
    assert len(set(sequences.names)) == 180
    sequence = sequences["GOT-10k_Test_000180"]
    sequence.check()
    assert (len(sequence), sequence.first_box_only) == (5, True)
    np.testing.assert_array_equal(sequence.ground_truth_rect, [[347, 443, 429, 272]])


def test_left_out_image(root):
    (root / "test" / "GOT-10k_Test_000180" / "00000003.jpg").unlink()
    with pytest.raises(InputError, match=r"expected image 3 after 00000002\.jpg, found 4"):
        GOT10KTestDataset(root).get_sequence_list()["GOT-10k_Test_000180"].check()


def test_labels_of_different_lengths(root):
    write_rows(root / "val" / "GOT-10k_Val_000002" / "cover.label", [[8]] * 4)
    with pytest.raises(InputError, match=r"cover\.label: expected 5 ground-truth rows, found 4"):
        _ = GOT10KValDataset(root).get_sequence_list()["GOT-10k_Val_000002"].target_visible
