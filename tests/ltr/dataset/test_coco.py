import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.dataset.coco import CocoTracks
from tests.ltr.dataset.layouts import coco, write_text


@pytest.mark.parametrize("year", ["2017", "2014"])
def test_objects_are_stills(tmp_path, year):
    coco(tmp_path, year)
    dataset = CocoTracks(tmp_path)
    assert not dataset.is_video
    assert len(dataset) == 2  # without the crowd and the object that is four pixels high
    np.testing.assert_array_equal(dataset.track(0).boxes, [[3.5, 2, 20, 15]])
    assert dataset.track(0).visible.tolist() == [True]
    assert [dataset.track(i).group for i in range(2)] == [1, 0]  # of the categories 1, 18, 90
    assert [round(float(dataset.read_frames(i, [0, 0])[1].mean()), -1) for i in range(2)] == [250, 90]
    assert dataset.track_name(0) == "coco_train/000000000025.jpg (object 0)"
    assert len(CocoTracks(tmp_path, smallest=2)) == 3
    assert len(CocoTracks(tmp_path, smallest=11)) == 1


def test_images_in_a_folder_of_their_own(tmp_path):
    coco(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "train2017").rename(tmp_path / "images" / "train2017")
    assert CocoTracks(tmp_path).read_frames(0, [0])[0].shape == (24, 32, 3)


def test_wrong_files(tmp_path):
    with pytest.raises(InputError, match=r"instances_train2017.json is not there"):
        CocoTracks(tmp_path)
    write_text(tmp_path / "annotations" / "instances_train2017.json", '{"images": []}')
    with pytest.raises(InputError, match="is no annotation file of COCO: KeyError"):
        CocoTracks(tmp_path)
    coco(tmp_path, "2014")
    assert len(CocoTracks(tmp_path, year="2014")) == 2


def test_index_is_read_once(tmp_path, capsys):
    coco(tmp_path)
    CocoTracks(tmp_path)
    assert "this is done once" in capsys.readouterr().err
    CocoTracks(tmp_path)
    assert capsys.readouterr().err == ""
    (index,) = (tmp_path / "workspace" / "index").iterdir()
    index.write_bytes(index.read_bytes()[:100])  # damaged: made again
    assert len(CocoTracks(tmp_path)) == 2
    assert "this is done once" in capsys.readouterr().err
    coco(tmp_path / "other")
    content = (tmp_path / "other" / "annotations" / "instances_train2017.json").read_text()
    write_text(tmp_path / "annotations" / "instances_train2017.json", content.replace('"iscrowd": 1', '"iscrowd": 0 '))
    assert len(CocoTracks(tmp_path)) == 3


def test_no_place_for_the_index(tmp_path, monkeypatch):
    coco(tmp_path)
    write_text(tmp_path / "file", "")
    monkeypatch.setenv("PYTRACKING_WORKSPACE_PATH", str(tmp_path / "file" / "folder"))
    assert len(CocoTracks(tmp_path)) == 2
