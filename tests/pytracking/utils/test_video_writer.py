import cv2
import numpy as np
import pytest

from pytracking.evaluation.results import SequenceResult
from pytracking.utils.drawing import GROUND_TRUTH, TRACKED, draw_box, draw_text
from pytracking.utils.video_writer import VideoWriter, write_result_video
from tests.pytracking.dummy import make_sequence


def frames_of(path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    return frames


def test_draw_box():
    image = np.zeros((40, 60, 3), np.uint8)
    draw_box(image, [10, 5, 20, 12], TRACKED, thickness=1)
    assert tuple(image[5, 10]) == tuple(image[17, 30]) == TRACKED
    assert image[10, 20].sum() == 0
    before = image.copy()
    draw_box(image, [np.nan] * 4, GROUND_TRUTH)
    draw_box(image, [1e12, -1e12, 5, 5], GROUND_TRUTH)
    np.testing.assert_array_equal(image, before)


def test_draw_text_is_readable_on_white_and_black():
    for shade in (0, 255):
        image = np.full((60, 200, 3), shade, np.uint8)
        draw_text(image, ["frame 1"])
        assert np.ptp(image) == 255


def test_colors_and_number_of_frames(tmp_path):
    path = tmp_path / "made" / "video.mp4"
    with VideoWriter(path) as video:
        for _ in range(5):
            video.write(np.full((48, 64, 3), (250, 20, 20), np.uint8))
        assert not path.exists()  # it appears when it is complete
    frames = frames_of(path)
    assert len(frames) == 5
    assert frames[0].shape == (48, 64, 3)
    assert abs(frames[0].mean((0, 1)) - [250, 20, 20]).max() < 12  # the codec rounds and subsamples colors


def test_odd_sizes_lose_nothing(tmp_path):
    image = np.zeros((31, 51, 3), np.uint8)
    image[-1] = image[:, -1] = 255
    with VideoWriter(tmp_path / "odd.mp4") as video:
        video.write(image)
        with pytest.raises(ValueError, match=r"expected frames of \(52, 32\) pixels"):
            video.write(image[:10])
    (frame,) = frames_of(tmp_path / "odd.mp4")
    assert frame.shape == (32, 52, 3)
    assert frame[30:].min() > 200
    assert frame[:, 50:].min() > 200


def test_failure_leaves_no_file(tmp_path):
    def write_and_fail() -> None:
        with VideoWriter(tmp_path / "video.mp4") as video:
            video.write(np.zeros((48, 64, 3), np.uint8))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_result_video(tmp_path):
    sequence = make_sequence(tmp_path, "s")
    sequence.ground_truth_rect[3] = np.nan
    result = SequenceResult(np.array([[30.0, 20, 10, 10]] * 6), np.ones(6), np.full(6, 0.5), ["normal"] * 6)
    calls = []
    write_result_video(tmp_path / "s.mp4", sequence, result, on_frame=lambda *call: calls.append(call))
    assert len(frames_of(tmp_path / "s.mp4")) == 6
    assert calls[-1] == (6, 6)
    bare = SequenceResult(result.boxes[:4], np.empty(0), np.empty(0), [])
    write_result_video(tmp_path / "short.mp4", sequence, bare)
    assert len(frames_of(tmp_path / "short.mp4")) == 4
