from pathlib import Path

import cv2
import numpy as np
import pytest

from ltr.common.boxes import overlap
from ltr.data.synthetic import SceneOptions, SyntheticTracks, package_photographs

SMALL = SceneOptions(frame_size=(160, 120), num_frames=4, target_side=(30.0, 50.0))
# One red square on grey: what is red in a frame is the target.
PLAIN = {
    "region_share": 0.0,
    "part_share": 0.0,
    "blob_share": 0.0,
    "twin_share": 0.0,
    "distractors": 0,
    "motion_blur_share": 0.0,
}
CLEAN = SceneOptions(frame_size=(160, 120), num_frames=4, target_side=(30.0, 50.0), occluder_share=0.0, **PLAIN)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    cutouts, backgrounds = tmp_path / "cutouts", tmp_path / "backgrounds"
    cutouts.mkdir()
    backgrounds.mkdir()
    cutout = np.zeros((60, 80, 4), np.uint8)
    cutout[10:50, 10:70] = (0, 0, 255, 255)  # BGRA
    cv2.imwrite(str(cutouts / "square.png"), cutout)
    cv2.imwrite(str(backgrounds / "grey.png"), np.full((200, 260, 3), 128, np.uint8))
    return cutouts, backgrounds


def test_frames_and_boxes_depend_on_seed_and_number_alone() -> None:
    first, again = (SyntheticTracks(num_tracks=5, seed=3, options=SMALL) for _ in range(2))
    other = SyntheticTracks(num_tracks=5, seed=4, options=SMALL)
    again.read_frames(0, [1])  # what was rendered before does not matter
    np.testing.assert_array_equal(first.read_frames(2, [3])[0], again.read_frames(2, [3])[0])
    np.testing.assert_array_equal(first.track(2).boxes, again.track(2).boxes)
    assert not np.array_equal(first.track(2).boxes, other.track(2).boxes)


def test_frames_are_rgb_images_of_the_size_that_was_asked_for() -> None:
    tracks = SyntheticTracks(num_tracks=2, options=SMALL)
    frames = tracks.read_frames(1, [0, 2])
    assert [(frame.shape, frame.dtype) for frame in frames] == [((120, 160, 3), np.uint8)] * 2
    assert len(tracks) == 2
    assert len(tracks.track(1)) == SMALL.num_frames


def test_box_bounds_the_painted_object(folders: tuple[Path, Path]) -> None:
    tracks = SyntheticTracks(*folders, num_tracks=6, seed=1, options=CLEAN)
    seen = 0
    for index in range(6):
        track = tracks.track(index)
        for frame in np.flatnonzero(track.visible):
            image = tracks.read_frames(index, [int(frame)])[0].astype(int)
            redness = image[..., 0] - image[..., 1]
            if redness.max() < 60:  # a grey scene, or one that is almost dark
                continue
            red = cv2.medianBlur((redness > redness.max() / 2).astype(np.uint8), 3)
            found = np.array(cv2.boundingRect(red), float)
            # Defocus, compression and the median filter move an edge by a pixel or two of 30.
            assert overlap(found, track.boxes[frame]) > 0.75
            seen += 1
    assert seen >= 8


def test_boxes_lie_inside_the_frame() -> None:
    tracks = SyntheticTracks(num_tracks=8, options=SMALL)
    boxes = np.concatenate([tracks.track(index).boxes for index in range(8)])
    assert (boxes >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= np.array(SMALL.frame_size) + 1e-9).all()


def test_an_object_that_is_hidden_is_not_visible(folders: tuple[Path, Path]) -> None:
    shares = [SceneOptions(**{**vars(CLEAN), "min_visible": level}) for level in (0.0, 1.1)]
    all_, none = (SyntheticTracks(*folders, num_tracks=3, options=options) for options in shares)
    assert all(all_.track(index).visible.all() for index in range(3))
    assert not any(none.track(index).visible.any() for index in range(3))


def test_every_kind_of_target_can_be_drawn() -> None:
    for changes in ({"region_share": 1.0}, {"region_share": 0.0, "part_share": 1.0}, {"twin_share": 1.0}):
        tracks = SyntheticTracks(num_tracks=3, options=SceneOptions(**{**vars(SMALL), **changes}))
        assert all((tracks.track(index).boxes[tracks.track(index).visible, 2:] > 3).all() for index in range(3))


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="found none"):
        SyntheticTracks(cutouts=tmp_path)


def test_package_photographs_exist() -> None:
    assert all(path.is_file() for path in package_photographs())


def test_description_names_what_the_tracks_depend_on(folders: tuple[Path, Path]) -> None:
    described = SyntheticTracks(*folders, num_tracks=3, seed=5, options=CLEAN).describe()
    assert described["seed"] == 5
    assert described["cutouts"][0][0] == "square.png"
    assert str(folders[0]) not in str(described)
