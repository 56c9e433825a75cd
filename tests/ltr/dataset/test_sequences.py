from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.data.processing import DiMPProcessing
from ltr.data.sampler import BadSampleWarning, DiMPSampler
from ltr.dataset.base import valid_boxes
from ltr.dataset.sequences import SequenceTracks, folder_tracks
from tests.shared_data import shared_path


def write_images(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((24, 32, 3), number, np.uint8))


def test_valid_boxes():
    boxes = np.array([[0, 0, 5, 5], [0, 0, 0, 5], [np.nan] * 4, [-3, -3, 5, 0.5]])
    assert valid_boxes(boxes).tolist() == [True, False, False, True]
    assert valid_boxes(boxes, smallest=1).tolist() == [True, False, False, False]


def test_folder_layout(tmp_path):
    write_images(tmp_path / "b" / "img", ["00001.png", "00002.png", "00003.png"])
    (tmp_path / "b" / "groundtruth.txt").write_text("1,2,3,4\nNaN,NaN,NaN,NaN\n1,2,0,4\n")
    write_images(tmp_path / "a" / "img", ["1.png"])
    (tmp_path / "a" / "groundtruth.txt").write_text("1,2,3,4\n5,6,7,8\n")
    tracks = folder_tracks(tmp_path, "mine")
    assert [tracks.track_name(i) for i in range(len(tracks))] == ["mine/a", "mine/b"]
    track = tracks.track(1)
    np.testing.assert_array_equal(track.boxes[0], [1, 2, 3, 4])
    assert track.visible.tolist() == [True, False, False]
    images = tracks.read_frames(1, [2, 0, 2])
    assert [int(image[0, 0, 0]) for image in images] == [2, 0, 2]
    with pytest.raises(InputError, match="expected 1 ground-truth rows, found 2"):
        tracks.track(0)
    assert len(folder_tracks(tmp_path, keep=lambda name: name == "b")) == 1
    with pytest.raises(InputError, match="holds no sequence"):
        folder_tracks(tmp_path / "a")
    with pytest.raises(InputError, match="has no sequence to train on"):
        folder_tracks(tmp_path, keep=lambda name: False)


def test_any_object_with_frames_and_boxes(tmp_path):
    write_images(tmp_path, ["0.png", "1.png"])
    boxes = np.array([[1.0, 2, 3, 4], [1, 2, 3, 4]])
    frames = [tmp_path / "0.png", tmp_path / "1.png"]
    plain = SimpleNamespace(name="plain", frames=frames, ground_truth_rect=boxes)
    flagged = SimpleNamespace(name="flagged", frames=frames, ground_truth_rect=boxes, target_visible=[False, True])
    short = SimpleNamespace(name="short", frames=frames[:1], ground_truth_rect=boxes)
    tracks = SequenceTracks("objects", [plain, flagged, short])
    assert tracks.track(0).visible.tolist() == [True, True]
    assert tracks.track(1).visible.tolist() == [False, True]
    assert tracks.frame_path(1, 1) == frames[1]
    with pytest.raises(InputError, match="objects/short: expected a box for each of 1 frames, found 2"):
        tracks.track(2)


def test_cut_off_images_and_damaged_annotations(tmp_path):
    for name in ("good", "images", "boxes"):
        write_images(tmp_path / name / "img", [f"{number:05d}.jpg" for number in range(20)])
        (tmp_path / name / "groundtruth.txt").write_text("8,8,8,8\n" * 20)
    for path in (tmp_path / "images" / "img").iterdir():
        path.write_bytes(path.read_bytes()[:-20])
    (tmp_path / "boxes" / "groundtruth.txt").write_text("8,8,8,8\n" * 19 + "8,8,8\n")
    processing = DiMPProcessing(output_size=32, feature_size=2)
    sampler = DiMPSampler([folder_tracks(tmp_path, "mine")], num_samples=30, processing=processing)
    with pytest.warns(BadSampleWarning) as caught:
        bad = [int(sampler[index]["num_bad"]) for index in range(30)]
    messages = " ".join(str(warning.message) for warning in caught)
    assert "mine/boxes: " in messages
    assert "line 20: expected 1, 4 or 8 numbers, found 3" in messages
    assert "mine/images: image " in messages
    assert "is cut off" in messages
    assert 0 in bad
    assert max(bad) > 1


def test_training_sequences():
    tracks = folder_tracks(shared_path("data", "train"), "train")
    assert len(tracks) == 5
    for index in range(len(tracks)):
        track = tracks.track(index)
        (image,) = tracks.read_frames(index, [len(track) - 1])
        assert track.visible.all()
        assert (track.boxes[:, :2].max(axis=0) < image.shape[1::-1]).all()
