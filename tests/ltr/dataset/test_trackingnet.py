import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.dataset.trackingnet import TrackingNetTracks
from tests.ltr.dataset.layouts import trackingnet_set


def test_layout(tmp_path):
    trackingnet_set(tmp_path, 0, ["b_0", "a_0"])
    trackingnet_set(tmp_path, 3, ["c_0"])
    dataset = TrackingNetTracks(tmp_path, sets=(3, 0))
    names = [dataset.track_name(i) for i in range(len(dataset))]
    assert names == [f"trackingnet_train/{name}" for name in ("TRAIN_3/c_0", "TRAIN_0/a_0", "TRAIN_0/b_0")]
    track = dataset.track(1)
    np.testing.assert_array_equal(track.boxes, np.tile([10, 5, 8, 5], (12, 1)))
    assert track.visible.all()
    assert abs(int(dataset.read_frames(1, [11])[0].mean()) - 110) <= 1  # 11.jpg, though 2.jpg comes after it by name


def test_missing_set(tmp_path):
    trackingnet_set(tmp_path, 0, ["a_0"])
    with pytest.raises(InputError, match=r"holds no annotations of TRAIN_1\n.*\n  to train without it, name"):
        TrackingNetTracks(tmp_path)
