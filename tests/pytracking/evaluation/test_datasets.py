import importlib

import numpy as np
import pytest

from pytracking.evaluation import get_dataset, load_dataset
from pytracking.evaluation.data import BaseDataset
from pytracking.evaluation.datasets import DATASETS
from pytracking.utils.errors import InputError
from tests.pytracking.dummy import write_frames


def test_every_entry_leads_to_a_data_set():
    for name, entry in DATASETS.items():
        cls = getattr(importlib.import_module(f"pytracking.evaluation.{entry.module}"), entry.class_name)
        assert issubclass(cls, BaseDataset)
        assert cls.name == name
        assert entry.summary


def test_names_in_any_case_and_joined(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_OTB_PATH", str(tmp_path))
    monkeypatch.setenv("PYTRACKING_DEMO_PATH", str(tmp_path / "demo"))
    both = get_dataset("OTB", "demo")
    assert len(both) == len(get_dataset("otb")) + len(get_dataset("Demo"))
    assert {s.dataset for s in both} == {"otb", "demo"}
    assert not (tmp_path / "demo").exists()  # listing renders nothing


def test_unknown_name():
    with pytest.raises(InputError, match=r"unknown data set 'obt'; did you mean 'otb'\?\n  known: .*demo"):
        get_dataset("obt")


def test_unset_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTRACKING_CONFIG", str(tmp_path / "local.toml"))
    monkeypatch.delenv("PYTRACKING_OTB_PATH", raising=False)
    with pytest.raises(InputError, match="otb_path is not set"):
        get_dataset("otb")


def test_demo_is_rendered_when_it_is_used(tmp_path, capsys):
    dataset = load_dataset("demo")
    dataset.root = tmp_path / "demo"
    sequence = min(dataset.get_sequence_list(), key=lambda s: s._frames.args[-1])
    sequence.check()
    assert f"rendering demo sequence {sequence.name}" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "demo").iterdir() if path.is_dir()] == [sequence.name]
    assert np.isfinite(sequence.ground_truth_rect[0]).all()
    assert capsys.readouterr().err == ""


def test_demo_in_an_impossible_folder(tmp_path):
    (tmp_path / "file").write_text("")
    dataset = load_dataset("demo")
    dataset.root = tmp_path / "file"
    with pytest.raises(InputError, match=r"cannot render the demo data set to .*\n.*PYTRACKING_DEMO_PATH"):
        _ = dataset.get_sequence_list()[0].frames


def test_otb_does_not_stop_at_a_missing_sequence(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_OTB_PATH", str(tmp_path))
    write_frames(tmp_path / "Deer" / "img", 71)
    (tmp_path / "Deer" / "groundtruth_rect.txt").write_text("306,5,95,65\n" * 71)
    dataset = get_dataset("otb")
    dataset["Deer"].check()
    with pytest.raises(InputError, match="142 of 142 images are missing"):
        dataset["Biker"].check()
