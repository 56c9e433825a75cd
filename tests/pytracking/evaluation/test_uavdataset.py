import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation.uavdataset import UAV10fpsDataset, UAVDataset
from tests.pytracking.evaluation.layouts import ROW, write_images, write_rows
from tests.shared_data import shared_path


def test_frames_of_the_benchmark(tmp_path):
    at_30, at_10 = UAVDataset(tmp_path).get_sequence_list(), UAV10fpsDataset(tmp_path).get_sequence_list()
    assert len(set(at_30.names)) == len(at_10) == 123
    assert sum(map(len, at_30)) == 112578
    assert [len(s) for s in at_10] == [-(-len(s) // 3) for s in at_30]
    assert len({s.folders for s in at_30}) == 91
    assert [s.native_name for s in at_30] == [s.native_name for s in at_10]
    assert all(s.object_class for s in at_30)


def test_a_range_of_a_clip(tmp_path):
    write_images(tmp_path, "data_seq/UAV123/bird1/{:06d}.jpg", range(775, 1478))
    write_rows(tmp_path / "anno/UAV123/bird1_2.txt", [ROW, *[["NaN"] * 4] * 2, *[ROW] * 700])
    sequence = UAVDataset(tmp_path).get_sequence_list()["bird1_2"]
    sequence.check()
    assert sequence.name == "uav_bird1_2"
    assert [frame.name for frame in (sequence.frames[0], sequence.frames[-1])] == ["000775.jpg", "001477.jpg"]
    np.testing.assert_array_equal(sequence.ground_truth_rect[0], [4, 5, 20, 10])
    assert sequence.target_visible[:4].tolist() == [True, False, False, True]
    assert sequence.pixel_origin == 1


def test_a_range_at_10_fps(tmp_path):
    write_images(tmp_path, "data_seq/UAV123_10fps/truck4/{:06d}.jpg", range(193, 422))
    write_rows(tmp_path / "anno/UAV123_10fps/truck4_2.txt", [ROW] * 229)
    sequence = UAV10fpsDataset(tmp_path).get_sequence_list()["uav10fps_truck4_2"]
    sequence.check()
    assert sequence.frames[-1].name == "000421.jpg"


def test_cut_annotation(tmp_path):
    path = write_rows(tmp_path / "anno/UAV123/bike3.txt", [ROW] * 432)
    with pytest.raises(InputError, match=r"bike3\.txt: expected 433 ground-truth rows, found 432"):
        _ = UAVDataset(tmp_path).get_sequence_list()["uav_bike3"].ground_truth_rect
    write_rows(path, [ROW] * 432 + [[1, 2, "NaN", 4]])
    with pytest.raises(InputError, match=r"bike3\.txt, line 433: expected finite numbers, or NaN in all columns"):
        _ = UAVDataset(tmp_path).get_sequence_list()["uav_bike3"].ground_truth_rect


def test_real_sequence():
    sequence = UAV10fpsDataset(shared_path("data", "UAV123_10fps")).get_sequence_list()["wakeboard7"]
    sequence.check()
    assert len(sequence) == 67
