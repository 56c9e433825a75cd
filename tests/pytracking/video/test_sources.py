"""Reading of files, folders, cameras and streams."""

import itertools
import threading
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from ltr.common.errors import InputError
from ltr.common.types import Image
from pytracking.utils.video_writer import VideoWriter
from pytracking.video import sources
from pytracking.video.sources import Frame, FrameSource, LatestFrames, open_source
from tests.pytracking.video.mp4 import rotate, write_mp4
from tests.shared_data import shared_path
from tests.waiting import wait_until

CODEC = 14  # what the encoder may change of a flat color


def picture(number: int, width: int = 64, height: int = 48) -> Image:
    """Red above, blue below, with a brightness that tells its number."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, :, 0] = 100 + 10 * number
    image[height // 2 :, :, 2] = 100 + 10 * number
    return image


def write_video(path: Path, count: int = 8, width: int = 64, height: int = 48) -> Path:
    with VideoWriter(path, 20.0) as video:
        for number in range(count):
            video.write(picture(number, width, height))
    return path


def read_all(source: FrameSource) -> list[Image]:
    frames = []
    while (frame := source.read()) is not None:
        assert frame.num_dropped == 0
        frames.append(frame.image)
    source.close()
    return frames


def test_video_file_is_rgb_and_complete(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "my.video.mp4"))
    assert (source.name, source.fps, source.num_frames) == ("my.video", 20.0, 8)
    frames = read_all(source)
    assert len(frames) == 8
    for number, frame in enumerate(frames):
        expected = picture(number)
        assert abs(frame[10, 30].astype(int) - expected[10, 30]).max() < CODEC
        assert abs(frame[40, 30].astype(int) - expected[40, 30]).max() < CODEC


@pytest.mark.parametrize(("width", "height"), [(241, 193), (64, 49), (17, 16)])
def test_odd_sizes(tmp_path: Path, width: int, height: int) -> None:
    pictures = [PIL.Image.fromarray(picture(number, width, height)) for number in range(3)]
    pictures[0].save(tmp_path / "odd.gif", save_all=True, append_images=pictures[1:], duration=100)
    frames = read_all(open_source(tmp_path / "odd.gif"))
    assert [frame.shape for frame in frames] == [(height, width, 3)] * 3


def test_rotation_noted_by_a_phone_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "phone.mp4"
    write_mp4(path, map(picture, range(3)), [4] * 3)
    rotate(path)
    frames = read_all(open_source(path))
    assert [frame.shape for frame in frames] == [(64, 48, 3)] * 3
    assert frames[0][30, 40, 0] > 80 > frames[0][30, 40, 2]  # what was above is at the right now
    assert frames[0][30, 8, 2] > 80 > frames[0][30, 8, 0]


def test_variable_frame_rate_gives_each_frame_once(tmp_path: Path) -> None:
    path = tmp_path / "variable.mp4"
    write_mp4(path, map(picture, range(10)), [7] * 4 + [2] * 6)
    source = open_source(path)
    assert source.fps == pytest.approx(20, rel=0.1)  # the mean; the encoder chooses how long the last frame lasts
    shades = [int(frame[10, 30, 0]) for frame in read_all(source)]
    assert len(shades) == 10
    assert abs(np.array(shades) - (100 + 10 * np.arange(10))).max() < CODEC


@pytest.mark.parametrize("content", [b"", b"this is no video" * 100])
def test_broken_file(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"cannot read video .*broken.mp4 \({len(content)} bytes\)"):
        open_source(path)
    assert "WARN" not in capfd.readouterr().err


def test_file_without_its_end(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.mp4")
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(InputError, match="damaged"):
        open_source(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a video file, a folder of images, the number of a camera, or a URL"):
        open_source(tmp_path / "missing.mp4")
    cv2.imwrite(str(tmp_path / "one.png"), picture(0))
    with pytest.raises(InputError, match="is one image; give the folder"):
        open_source(tmp_path / "one.png")


def test_folder_of_images(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), cv2.cvtColor(picture(number), cv2.COLOR_RGB2BGR))
    (tmp_path / "notes.txt").write_text("no image")
    source = open_source(tmp_path)
    assert source.num_frames == 3
    for number, frame in zip((1, 9, 10), read_all(source), strict=True):
        np.testing.assert_array_equal(frame, picture(number))


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no images; expected \.bmp, \.jpeg, \.jpg, \.png"):
        open_source(tmp_path)


@pytest.mark.parametrize("number", [99, "99"])
def test_camera_that_is_not_there(number: int | str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="cannot read camera 99: it is not there, in use, or not permitted"):
        open_source(number)
    assert "WARN" not in capfd.readouterr().err


def test_stream_that_does_not_answer() -> None:
    with pytest.raises(InputError, match=r"cannot read stream http://127\.0\.0\.1:9/live"):
        open_source("http://127.0.0.1:9/live")


class Paced:
    """A source whose frames come when they are asked for."""

    name, fps, num_frames = "camera", 30.0, None

    def __init__(self, count: int | None = None, error: Exception | None = None) -> None:
        self.numbers = itertools.count() if count is None else iter(range(count))
        self.error = error
        self.permits = threading.Semaphore(0)
        self.num_asked = 0
        self.num_given = 0
        self.is_closed = False

    def read(self) -> Frame | None:
        self.num_asked += 1
        self.permits.acquire()
        number = next(self.numbers, None)
        if number is None:
            if self.error is not None:
                raise self.error
            return None
        self.num_given += 1
        return Frame(np.full((4, 4, 3), number % 256, np.uint8))

    def close(self) -> None:
        self.is_closed = True

    def give(self, count: int) -> None:
        """Let frames come, and wait until they have."""
        wanted = self.num_given + count
        self.permits.release(count)
        wait_until(lambda: self.num_asked > wanted)  # the last one has been put down, and another one is asked for


def read(source: LatestFrames) -> tuple[int, int]:
    frame = source.read()
    assert frame is not None
    return int(frame.image[0, 0, 0]), frame.num_dropped


def test_a_fast_camera_is_not_queued() -> None:
    camera = Paced()
    source = LatestFrames(camera)
    camera.give(1)
    assert read(source) == (0, 0)
    camera.give(5)
    assert read(source) == (5, 4)
    camera.give(1)
    assert read(source) == (6, 0)
    camera.permits.release(10_000)
    source.close()
    assert camera.is_closed


def test_a_slow_camera_is_waited_for() -> None:
    camera = Paced()
    source = LatestFrames(camera)
    threading.Timer(0.2, camera.give, (1,)).start()
    assert read(source) == (0, 0)
    camera.permits.release(10_000)
    source.close()


def test_the_end_and_errors_of_a_stream_arrive() -> None:
    for error in (None, RuntimeError("cable")):
        camera = Paced(2, error)
        source = LatestFrames(camera)
        camera.give(2)
        camera.permits.release()
        assert read(source) == (1, 1)
        if error is None:
            assert source.read() is None
        else:
            with pytest.raises(RuntimeError, match="cable"):
                source.read()
        source.close()


def test_a_camera_that_falls_silent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PATIENCE", 0.1)
    camera = Paced()
    source = LatestFrames(camera)
    with pytest.raises(InputError, match="camera has given no frame for"):
        source.read()
    camera.permits.release(10_000)
    source.close()


@pytest.mark.parametrize(
    ("parts", "frames"),
    [
        (("videos", "cup.mp4"), 217),
        (("videos", "box.mp4"), 455),
        (("TLD", "04_pedestrian2", "pedestrian2.mpg"), 338),
        (("TLD", "06_car", "car.mpg"), 945),
    ],
)
def test_real_videos_give_every_frame(parts: tuple[str, ...], frames: int) -> None:
    source = open_source(shared_path("data", *parts))
    count = 0
    while source.read() is not None:
        count += 1
    source.close()
    assert count == frames
