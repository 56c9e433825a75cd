import warnings

import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation.data import PartialCopyWarning
from pytracking.evaluation.tlpdataset import TinyTLPDataset, TLPDataset
from tests.pytracking.evaluation.layouts import ROW, write_images, write_rows
from tests.shared_data import shared_path


def write_sequence(root, name, count):
    write_images(root, f"{name}/img/{{:05d}}.jpg", range(1, count + 1))
    rows = [(number, *ROW, int(number == 2)) for number in range(1, count + 1)]
    return write_rows(root / name / "groundtruth_rect.txt", rows)


def test_frames_of_the_benchmark(tmp_path):
    sequences = TLPDataset(tmp_path).get_sequence_list()
    assert len(set(sequences.names)) == 50
    assert sum(s.expected_frames for s in sequences) == 676431


def test_first_600_frames(tmp_path):
    write_sequence(tmp_path, "Rope", 603)
    sequence = TinyTLPDataset(tmp_path).get_sequence_list()["Rope"]
    with warnings.catch_warnings(action="error"):
        sequence.check()
    assert sequence.name == "tinytlp_Rope"
    assert len(sequence) == len(sequence.ground_truth_rect) == 600
    np.testing.assert_array_equal(sequence.ground_truth_rect[0], ROW)
    assert sequence.target_visible[:3].tolist() == [True, False, True]


def test_part_of_a_sequence(tmp_path):
    write_sequence(tmp_path, "Rope", 20)
    with pytest.warns(PartialCopyWarning, match="sequence 'tlp_Rope' of tlp has 20 of 17503 frames"):
        TLPDataset(tmp_path).get_sequence_list()["Rope"].check()


def test_left_out_row(tmp_path):
    path = write_sequence(tmp_path, "Rope", 20)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:7] + lines[8:]))
    with pytest.raises(InputError, match=r"groundtruth_rect\.txt, line 8: expected frame 8, found 9"):
        _ = TLPDataset(tmp_path).get_sequence_list()["Rope"].ground_truth_rect


@pytest.mark.parametrize(("dataset", "frames"), [(TLPDataset, 14010), (TinyTLPDataset, 600)])
def test_real_sequence(dataset, frames):
    sequence = dataset(shared_path("data", "TLP")).get_sequence_list()["CarChase2"]
    with pytest.warns(PartialCopyWarning, match=f"300 of {frames} frames"):
        sequence.check()
    np.testing.assert_array_equal(sequence.ground_truth_rect[0], [539, 253, 355, 255])
