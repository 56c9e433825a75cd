import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.dataset.lasot import LasotTracks, train_names
from ltr.dataset.roots import PartialDataWarning
from pytracking.evaluation.tabledataset import load_table
from tests.ltr.dataset.layouts import lasot_sequence, write_text


def test_split_is_that_of_the_evaluation():
    entries = load_table("lasot")["sequences"]
    assert sorted(train_names()) == sorted(e["name"] for e in entries if e["split"] == "train")


@pytest.mark.parametrize("by_class", [True, False])
def test_layout(tmp_path, by_class):
    for name in ("airplane-2", "bear-1", "airplane-1"):  # airplane-1 is a test sequence
        lasot_sequence(tmp_path / name.split("-")[0] / name if by_class else tmp_path / name)
    with pytest.warns(PartialDataWarning, match=r"2 of 1120 sequences of lasot_train .* missing one is airplane-10"):
        dataset = LasotTracks(tmp_path)
    assert [dataset.track_name(i) for i in range(len(dataset))] == ["lasot_train/airplane-2", "lasot_train/bear-1"]
    track = dataset.track(1)
    np.testing.assert_array_equal(track.boxes[0], [10, 5, 8, 5])  # the file counts from 1
    assert track.visible.tolist() == [True, False, False, False]
    assert track.group == 2  # airplane, basketball, bear
    assert abs(int(dataset.read_frames(1, [2])[0].mean()) - 30) <= 1


def test_flags_that_do_not_fit(tmp_path):
    lasot_sequence(tmp_path / "bear" / "bear-1")
    write_text(tmp_path / "bear" / "bear-1" / "out_of_view.txt", "0,0,1")
    with pytest.warns(PartialDataWarning):
        dataset = LasotTracks(tmp_path)
    with pytest.raises(InputError, match=r"out_of_view.txt: expected 4 ground-truth rows, found 3"):
        dataset.track(0)


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="holds no sequence of lasot_train\n  expected there: <class>/<class-n>/img"):
        LasotTracks(tmp_path)
    with pytest.raises(InputError, match="lasot_path is not set"):
        LasotTracks()
