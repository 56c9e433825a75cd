import numpy as np
import pytest

from pytracking.evaluation.votdataset import VOT2016Dataset, VOT2017Dataset, VOT2018Dataset, VOT2019Dataset
from tests.pytracking.evaluation.layouts import write_images, write_rows
from tests.shared_data import shared_path

POLYGON = (10, 4, 20, 8.5, 18, 14, 8, 9)


@pytest.mark.parametrize("dataset", [VOT2016Dataset, VOT2017Dataset, VOT2018Dataset, VOT2019Dataset])
def test_names(tmp_path, dataset):
    sequences = dataset(tmp_path).get_sequence_list()
    assert len(set(sequences.names)) == 60
    assert sequences["leaves"].name == ("leaves" if dataset is VOT2018Dataset else f"{dataset.name}_leaves")


@pytest.mark.parametrize("images", ["bag/color/{:08d}.jpg", "bag/{:08d}.jpg"])
def test_polygons(tmp_path, images):
    write_images(tmp_path, images, range(1, 4))
    write_rows(tmp_path / "bag" / "groundtruth.txt", [POLYGON] * 3)
    sequence = VOT2016Dataset(tmp_path).get_sequence_list()["bag"]
    sequence.check()
    np.testing.assert_array_equal(sequence.ground_truth_rect[0], [8, 4, 12, 10])
    np.testing.assert_array_equal(sequence.ground_truth_polygons[2], POLYGON)


def test_upright_boxes(tmp_path):
    write_images(tmp_path, "conduction1/color/{:08d}.jpg", range(1, 3))
    write_rows(tmp_path / "conduction1" / "groundtruth.txt", [(10, 4, 12, 10)] * 2)
    sequence = VOT2019Dataset(tmp_path).get_sequence_list()["conduction1"]
    sequence.check()
    np.testing.assert_array_equal(sequence.ground_truth_rect[0], [10, 4, 12, 10])
    np.testing.assert_array_equal(sequence.ground_truth_polygons[0], [10, 4, 22, 4, 22, 14, 10, 14])


def test_real_sequence():
    sequence = VOT2018Dataset(shared_path("data", "VOT2018")).get_sequence_list()["bag"]
    sequence.check()
    assert len(sequence) == 196
    np.testing.assert_allclose(sequence.ground_truth_rect[0], [292.23, 128.36, 145.96, 132.47], atol=1e-9)
