from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from ltr.common.errors import InputError
from ltr.dataset import registry
from ltr.dataset.registry import load_dataset
from tests.ltr.dataset.layouts import coco, got10k_sequence, trackingnet_set, write_image, write_text


def test_by_name(tmp_path, monkeypatch):
    coco(tmp_path)
    assert load_dataset("coco_train", root=tmp_path).name == "coco_train"
    assert len(load_dataset(f"coco_train:{tmp_path}", smallest=2)) == 3
    monkeypatch.setenv("PYTRACKING_COCO_PATH", str(tmp_path))
    assert len(load_dataset("coco_train")) == 2
    trackingnet_set(tmp_path, 1, ["a"])
    assert len(load_dataset("trackingnet_train", tmp_path, sets=[1])) == 1
    got10k_sequence(tmp_path / "train" / "GOT-10k_Train_000001")
    with pytest.warns(UserWarning, match="1 of 7934"):
        assert load_dataset("got10k_train", tmp_path).name == "got10k_train"


def test_folder_and_synthetic(tmp_path):
    write_image(tmp_path / "a" / "img" / "1.jpg")
    write_text(tmp_path / "a" / "groundtruth.txt", "1,2,3,4\n")
    assert load_dataset("folder_train", tmp_path).track_name(0) == f"{tmp_path.name}/a"
    assert len(load_dataset("synthetic", num_tracks=7)) == 7


def test_wrong_names_and_options(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    with pytest.raises(InputError, match="unknown training data set 'got10k_trian'; did you mean 'got10k_train'"):
        load_dataset("got10k_trian")
    with pytest.raises(InputError, match=r"trackingnet_train cannot be loaded like that: got an unexpected .*'set'"):
        load_dataset("trackingnet_train", tmp_path, set=3)
    with pytest.raises(InputError, match="vid_path is not set"):
        load_dataset("vid_train")


def test_loaders_of_other_packages(monkeypatch):
    made = SimpleNamespace(name="made")
    entry = SimpleNamespace(load=lambda: lambda: {"made": lambda root=None: made})
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == "ltr.datasets" else [])
    assert load_dataset("made") is made


def test_evaluation_data_sets_are_such_loaders(tmp_path, monkeypatch):
    entry = EntryPoint("pytracking", "pytracking.evaluation.training_data:loaders", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    write_image(tmp_path / "a" / "img" / "1.jpg")
    write_text(tmp_path / "a" / "groundtruth.txt", "1,2,3,4\n")
    with pytest.raises(InputError, match="no sequence with boxes"):  # one row is a box for the first image only
        load_dataset(f"folder:{tmp_path}")
    write_image(tmp_path / "a" / "img" / "2.jpg")
    write_text(tmp_path / "a" / "groundtruth.txt", "1,2,3,4\nnan,nan,nan,nan\n")
    dataset = load_dataset(f"folder:{tmp_path}", keep=["a"])
    assert dataset.track(0).visible.tolist() == [True, False]
    with pytest.raises(InputError, match="unknown sequence 'b'"):
        load_dataset(f"folder:{tmp_path}", keep=["b"])
