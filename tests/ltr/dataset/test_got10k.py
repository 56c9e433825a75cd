import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.dataset.got10k import Got10kTracks, ListedGot10kTracks, split_numbers
from ltr.dataset.roots import PartialDataWarning
from tests.ltr.dataset.layouts import got10k_sequence, write_text
from tests.shared_data import shared_path


def test_splits():
    parts = {name: set(split_numbers(name)) for name in ("train", "val", "vottrain", "votval", "train_full")}
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 7934,
        "val": 1401,
        "vottrain": 7081,
        "votval": 1254,
        "train_full": 9335,
    }
    assert parts["train"] | parts["val"] == parts["train_full"] == set(range(1, 9336))
    assert not parts["train"] & parts["val"]
    similar = parts["train_full"] - parts["vottrain"] - parts["votval"]
    assert len(similar) == 1000
    assert 4 in similar  # GOT-10k_Train_000004
    assert split_numbers("official_val") == list(range(1, 181))
    with pytest.raises(InputError, match="unknown split of GOT-10k 'trian'; did you mean 'train'"):
        split_numbers("trian")


def test_splits_are_those_of_the_lists():
    def numbers(name: str, step: int) -> set[int]:
        lines = shared_path("reference", "tables", f"got10k_{name}.txt").read_text().split()
        return {int(line[-6:]) + step for line in lines}

    assert numbers("train_split", 1) == set(split_numbers("train"))  # the files hold numbers from 0
    assert numbers("val_split", 1) == set(split_numbers("val"))
    assert numbers("vot_exclude", 0).isdisjoint(split_numbers("vottrain") + split_numbers("votval"))


def test_layout(tmp_path):
    for name in ("GOT-10k_Train_000001", "GOT-10k_Train_000002"):
        got10k_sequence(tmp_path / "train" / name)
    with pytest.warns(PartialDataWarning, match="2 of 9335 sequences of got10k_train_full"):
        dataset = Got10kTracks("train_full", tmp_path)
    assert dataset.track_name(0) == "got10k_train_full/GOT-10k_Train_000001"
    track = dataset.track(0)
    np.testing.assert_array_equal(track.boxes[0], [10, 5, 8, 5])
    assert track.visible.tolist() == [True, False, False, True]
    assert abs(int(dataset.read_frames(0, [3])[0].mean()) - 40) <= 1
    with pytest.warns(PartialDataWarning):
        assert len(Got10kTracks("train_full", tmp_path / "train")) == 2  # the folder of the sequences itself


def test_list_of_sequences(tmp_path):
    for number in (1, 2, 3):
        got10k_sequence(tmp_path / "train" / f"GOT-10k_Train_{number:06d}")
    write_text(tmp_path / "mine.txt", "GOT-10k_Train_000003\n1\n")
    with pytest.warns(PartialDataWarning):
        dataset = ListedGot10kTracks(tmp_path / "mine.txt", tmp_path)
    assert [dataset.track_name(i)[-6:] for i in range(len(dataset))] == ["000001", "000003"]
    write_text(tmp_path / "wrong.txt", "goat\n")
    with pytest.warns(PartialDataWarning), pytest.raises(InputError, match="or numbers, found 'goat'"):
        ListedGot10kTracks(tmp_path / "wrong.txt", tmp_path)


def test_labels_that_do_not_fit(tmp_path):
    folder = tmp_path / "val" / "GOT-10k_Val_000001"
    got10k_sequence(folder)
    write_text(folder / "cover.label", "8\n")
    with pytest.warns(PartialDataWarning):
        dataset = Got10kTracks("official_val", tmp_path)
    with pytest.raises(InputError, match=r"cover.label: expected 4 ground-truth rows, found 1"):
        dataset.track(0)
