import numpy as np
import pytest

from pytracking.evaluation.tpldataset import TPLDataset, TPLNoOTBDataset
from tests.pytracking.evaluation.layouts import ROW, write_images, write_rows


def test_frames_of_the_benchmark(tmp_path):
    sequences = TPLDataset(tmp_path).get_sequence_list()
    assert len(set(sequences.names)) == 129
    assert sum(map(len, sequences)) == 55346
    without = TPLNoOTBDataset(tmp_path).get_sequence_list()
    assert len(without) == 85
    assert not {"tpl_Basketball", "tpl_Jogging1", "tpl_Skating2"} & set(without.names)
    assert {"tpl_Pool_ce3", "tpl_Torus"} < set(without.names) < set(sequences.names)


@pytest.mark.parametrize("prefix", ["", "tpl_"])
def test_folders_with_and_without_prefix(tmp_path, prefix):
    write_images(tmp_path, f"{prefix}Hurdle_ce2/img/{{:04d}}.jpg", range(27, 331))
    write_rows(tmp_path / f"{prefix}Hurdle_ce2/Hurdle_ce2_gt.txt", [ROW] * 304)
    sequence = TPLDataset(tmp_path).get_sequence_list()["tpl_Hurdle_ce2"]
    sequence.check()
    np.testing.assert_array_equal(sequence.ground_truth_rect[0], [4, 5, 20, 10])


@pytest.mark.parametrize("folder", ["tpl_Yo_yos_ce3", "Yo_yos_ce3", "Yo-yos_ce3"])
def test_hyphens(tmp_path, folder):
    write_images(tmp_path, f"{folder}/img/{{:04d}}.jpg", range(1, 202))
    write_rows(tmp_path / folder / "Yo-yos_ce3_gt.txt", [ROW] * 201)
    TPLNoOTBDataset(tmp_path).get_sequence_list()["tpl_Yo_yos_ce3"].check()


def test_sequences_of_otb_are_no_extra_folders(tmp_path):
    for name in ("Basketball", "Pool_ce3", "mine"):
        (tmp_path / name / "img").mkdir(parents=True)
    assert TPLNoOTBDataset(tmp_path).extra_folders() == [tmp_path / "mine"]
