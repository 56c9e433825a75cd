import dataclasses
import importlib

import numpy as np
import pytest

from ltr.common.environment import Settings
from ltr.common.errors import InputError
from pytracking.evaluation import get_dataset, load_dataset
from pytracking.evaluation.data import BaseDataset, PartialCopyWarning
from pytracking.evaluation.datasets import DATASETS, get_dataset_attributes
from tests.pytracking.dummy import write_frames


def test_every_entry_leads_to_a_data_set():
    for name, entry in DATASETS.items():
        cls = getattr(importlib.import_module(f"pytracking.evaluation.{entry.module}"), entry.class_name)
        assert issubclass(cls, BaseDataset)
        assert cls.name == {"vot": "vot2018"}.get(name, name)
        assert entry.summary
        assert cls.layout
        names = (cls.setting,) if isinstance(cls.setting, str) else cls.setting
        assert names
        assert {field.name for field in dataclasses.fields(Settings)}.issuperset(names)


def test_names_in_any_case_and_joined(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_OTB_PATH", str(tmp_path))
    monkeypatch.setenv("PYTRACKING_DEMO_PATH", str(tmp_path / "demo"))
    (tmp_path / "Deer" / "img").mkdir(parents=True)
    with pytest.warns(PartialCopyWarning):
        both = get_dataset("OTB", "demo")
    assert len(both) == 100 + len(get_dataset("Demo"))
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
    with pytest.warns(PartialCopyWarning, match=r"99 of 100 sequences of otb are not there: Basketball, Biker, "):
        dataset = get_dataset("otb")
    dataset["Deer"].check()
    with pytest.raises(InputError, match="142 of 142 images are missing"):
        dataset["Biker"].check()


def test_a_path_to_a_data_set_with_equal_names(tmp_path):
    """One message, not an error for each of the sequences whose names both have; one that is right is enough."""
    for name in ("Basketball", "Board", "Bolt", "Deer"):
        write_frames(tmp_path / name / "img", 3)
        (tmp_path / name / f"{name}_gt.txt").write_text("306,5,95,65\n" * 3)
    with pytest.raises(InputError) as error:
        get_dataset(f"otb:{tmp_path}")
    lines = str(error.value).splitlines()
    assert lines[0].startswith(
        f"{tmp_path} holds folders of 4 of the 100 sequences of otb, and none of them can be used"
    )
    assert lines[1] == (
        "  the first: sequence 'Basketball' of otb: 722 of 725 images are missing, "
        f"the first is {tmp_path / 'Basketball' / 'img' / '0004.jpg'}"
    )
    assert lines[2].startswith("  expected there: <Sequence>/img/0001.jpg")
    write_frames(tmp_path / "Deer" / "img", 71)
    (tmp_path / "Deer" / "groundtruth_rect.txt").write_text("306,5,95,65\n" * 71)
    with pytest.warns(PartialCopyWarning, match="of 100 sequences of otb:.* are not there"):
        get_dataset(f"otb:{tmp_path}")


def test_a_path_with_nothing_of_the_data_set(tmp_path):
    """One message with the layout, and where the data set is, not an error for each sequence."""
    (tmp_path / "my data" / "OTB100" / "Deer" / "img").mkdir(parents=True)
    for wrong in (tmp_path / "my data", tmp_path / "my data" / "OTB100" / "Deer"):
        with pytest.raises(InputError) as error:
            get_dataset(f"otb:{wrong}")
        lines = str(error.value).splitlines()
        assert lines[0] == f"{wrong} holds none of the 100 sequences of otb"
        assert lines[1].startswith("  expected there: <Sequence>/img/0001.jpg")
        assert lines[2].endswith(f"did you mean otb:{tmp_path / 'my data' / 'OTB100'}?")
    with pytest.raises(InputError, match="holds none of the 60 sequences of vot2016"):
        get_dataset(f"vot2016:{tmp_path / 'my data'}")
    with pytest.warns(PartialCopyWarning, match=r"check_dataset 'otb:/.*my data/OTB100'"):  # a command that works
        get_dataset(f"otb:{tmp_path / 'my data' / 'OTB100'}")


def test_path_after_the_name(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_TLP_PATH", str(tmp_path / "nowhere"))
    assert load_dataset(f"TLP:{tmp_path}").root == tmp_path
    monkeypatch.chdir(tmp_path)
    assert load_dataset("tlp:.").root == tmp_path
    with pytest.raises(InputError, match=r"tlp_path names .*nowhere, which is no folder"):
        load_dataset("tlp")


def test_first_setting_counts(tmp_path, monkeypatch):
    (tmp_path / "tiny").mkdir()
    monkeypatch.setenv("PYTRACKING_TLP_PATH", str(tmp_path))
    assert load_dataset("tinytlp").root == tmp_path
    monkeypatch.setenv("PYTRACKING_TINYTLP_PATH", str(tmp_path / "tiny"))
    assert load_dataset("tinytlp").root == tmp_path / "tiny"
    monkeypatch.setenv("PYTRACKING_VOT_PATH", str(tmp_path))
    assert load_dataset("vot").root == load_dataset("vot2018").root == tmp_path


@pytest.mark.parametrize(
    ("name", "count"), [("otb", 11), ("uav", 12), ("uav10fps", 12), ("lasot", 14), ("lasot_train", 14)]
)
def test_attributes(tmp_path, name, count):
    short = get_dataset_attributes(f"{name}:{tmp_path}")
    long = get_dataset_attributes(f"{name}:{tmp_path}", mode="long")
    assert len(short) == len(long) == count
    assert [s.names for s in short.values()] == [s.names for s in long.values()]
    assert all(short.values())
    dataset = load_dataset(f"{name}:{tmp_path}")
    assert {a for s in dataset.get_sequence_list() for a in s.attributes} == set(short)
    assert long["Illumination Variation"].names == short["IV"].names


def test_attributes_of_known_sequences(tmp_path):
    assert "Basketball" in get_dataset_attributes(f"otb:{tmp_path}")["IV"].names
    assert "uav_bike1" in get_dataset_attributes(f"uav:{tmp_path}")["SOB"].names
    with pytest.raises(InputError, match="data set tlp has no attributes"):
        get_dataset_attributes(f"tlp:{tmp_path}")
    with pytest.raises(InputError, match="expected mode 'short' or 'long', found 'both'"):
        get_dataset_attributes(f"otb:{tmp_path}", mode="both")


def test_names_of_sequences_are_unique_over_the_data_sets(tmp_path):
    # Results of one run lie in one folder. Both versions of a data set under one name would be taken for each other;
    # tpl_nootb is a part of tpl.
    listable = set(DATASETS) - {"demo", "folder", "trackingnet", "oxuva_dev", "oxuva_test", "tpl_nootb", "vot"}
    names = [name for dataset in listable for name in load_dataset(f"{dataset}:{tmp_path}").get_sequence_list().names]
    assert sorted(n for n in set(names) if names.count(n) > 1) == []
