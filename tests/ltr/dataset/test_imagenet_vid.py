import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.dataset.imagenet_vid import ImageNetVidTracks
from tests.ltr.dataset.layouts import vid_video, write_text

BOX = [4, 6, 14, 12]


def test_each_object_is_a_track(tmp_path):
    vid_video(
        tmp_path,
        "ILSVRC2015_VID_train_0001/b",
        [[(0, "n02", BOX)], [], [(1, "n01", [0, 0, 5, 5]), (0, "n02", [5, 6, 15, 12])]],
    )
    vid_video(tmp_path, "ILSVRC2015_VID_train_0000/a", [[(3, "n01", BOX)], [(3, "n01", [4, 6, 4, 12])]])
    dataset = ImageNetVidTracks(tmp_path)
    names = [dataset.track_name(i) for i in range(len(dataset))]
    assert names == [
        "vid_train/ILSVRC2015_VID_train_0000/a (object 3)",
        "vid_train/ILSVRC2015_VID_train_0001/b (object 0)",
        "vid_train/ILSVRC2015_VID_train_0001/b (object 1)",
    ]
    assert dataset.track(0).visible.tolist() == [True, False]  # the second box has no width
    track = dataset.track(1)
    np.testing.assert_array_equal(track.boxes, [[4, 6, 10, 6], [np.nan] * 4, [5, 6, 10, 6]])
    assert track.visible.tolist() == [True, False, True]
    assert [dataset.track(i).group for i in range(3)] == [0, 1, 0]
    assert abs(int(dataset.read_frames(1, [2])[0].mean()) - 20) <= 1


def test_unreadable_annotation(tmp_path):
    vid_video(tmp_path, "part/a", [[(0, "n02", BOX)]] * 2)
    path = tmp_path / "Annotations" / "VID" / "train" / "part" / "a" / "000001.xml"
    write_text(path, path.read_text().replace("<xmin>4</xmin>", ""))
    with pytest.raises(InputError, match=r"000001.xml: an object has no bndbox/xmin"):
        ImageNetVidTracks(tmp_path)
    write_text(path, "<annotation>")
    with pytest.raises(InputError, match=r"cannot read annotation .*000001.xml: no element found"):
        ImageNetVidTracks(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="Annotations/VID/train is no folder"):
        ImageNetVidTracks(tmp_path)
    (tmp_path / "Annotations" / "VID" / "train").mkdir(parents=True)
    with pytest.raises(InputError, match="holds no annotated object"):
        ImageNetVidTracks(tmp_path)
