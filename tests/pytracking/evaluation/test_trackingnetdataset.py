import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation.trackingnetdataset import TrackingNetDataset
from tests.pytracking.evaluation.layouts import write_images, write_rows


@pytest.mark.parametrize("subfolder", ["", "TEST"])
def test_layout(tmp_path, subfolder):
    for name in ("xyz-2_0", "-Abc_1"):
        write_images(tmp_path, f"TEST/frames/{name}/{{}}.jpg", range(12))
        write_rows(tmp_path / "TEST" / "anno" / f"{name}.txt", [(120.5, 30, 20, 10)])
    sequences = TrackingNetDataset(tmp_path / subfolder).get_sequence_list()
    assert sequences.names == ["-Abc_1", "xyz-2_0"]
    for sequence in sequences:
        sequence.check()
        assert sequence.first_box_only
        assert [frame.name for frame in sequence.frames[1:11:9]] == ["1.jpg", "10.jpg"]  # ordered as numbers
        np.testing.assert_array_equal(sequence.ground_truth_rect, [[120.5, 30, 20, 10]])


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match=r"holds no annotations\n  expected in .*TEST/anno/<sequence>\.txt"):
        TrackingNetDataset(tmp_path).get_sequence_list()


def test_no_images(tmp_path):
    write_rows(tmp_path / "TEST" / "anno" / "a_0.txt", [(1, 2, 3, 4)])
    with pytest.raises(InputError, match="a_0 holds no numbered images"):
        TrackingNetDataset(tmp_path).get_sequence_list()["a_0"].check()
