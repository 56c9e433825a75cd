"""Videos: what is in them, under which names they appear, and what a killed writer leaves."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.utils.video_writer import VideoWriter

ROOT = Path(__file__).resolve().parents[3]
SUFFIXES = ("mp4", "m4v", "mov", "mkv")
GREY = np.full((48, 64, 3), 120, np.uint8)


def frames_of(path: Path) -> list[np.ndarray]:
    """Decoded by PyAV; OpenCV finds as many."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    assert count == len(frames)
    return frames


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


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_container_holds_h264_that_browsers_play(tmp_path, suffix):
    path = tmp_path / f"video.{suffix}"
    with VideoWriter(path, 29.97) as video:
        for _ in range(3):
            video.write(GREY)
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == pytest.approx(29.97)
        assert stream.frames == (0 if suffix == "mkv" else 3)  # Matroska does not count
    assert len(frames_of(path)) == 3


def test_frames_of_another_size_are_fitted_into_the_first(tmp_path):
    with VideoWriter(tmp_path / "sizes.mp4") as video:
        video.write(GREY)
        video.write(np.full((96, 64, 3), 200, np.uint8))
        video.write(np.full((10, 64, 3), 200, np.uint8))
    frames = frames_of(tmp_path / "sizes.mp4")
    assert [frame.shape for frame in frames] == [GREY.shape] * 3
    tall, wide = frames[1], frames[2]
    for picture, border in ((tall[:, 20:44], tall[:, :12]), (wide[22:26], wide[:15])):
        assert picture.min() > 180
        assert border.max() < 40


@pytest.mark.parametrize("name", ["video.avi", "video.txt", "video", "video.mp4.bak"])
def test_unknown_kind_of_video(tmp_path, name):
    with pytest.raises(
        InputError, match=r"expected the name of a video that ends in \.mp4, \.m4v, \.mov, \.mkv; found"
    ):
        VideoWriter(tmp_path / name)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_no_frame_rate(tmp_path, fps):
    with pytest.raises(InputError, match=r"from 0\.001 to 1000 frames a second"):
        VideoWriter(tmp_path / "video.mp4", fps)


def test_sources_are_not_written_over(tmp_path):
    source = tmp_path / "real" / "holiday.mp4"
    source.parent.mkdir()
    source.write_bytes(b"precious")
    (tmp_path / "symbolic.mp4").symlink_to(source)
    (tmp_path / "hard.mp4").hardlink_to(source)
    (tmp_path / "folder").symlink_to(source.parent)
    same = ["real/holiday.mp4", "real/../real/holiday.mp4", "symbolic.mp4", "hard.mp4", "folder/holiday.mp4",
            "real/HOLIDAY.MP4"]  # fmt: skip
    for name in same:
        with pytest.raises(InputError, match=r"would replace .*holiday.mp4, which is read; give the name of another"):
            VideoWriter(tmp_path / name, sources=[tmp_path / "missing.mp4", source])
    (tmp_path / "videos.mp4").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        VideoWriter(tmp_path / "videos.mp4")
    VideoWriter(tmp_path / "other.mp4", sources=[source])
    assert source.read_bytes() == b"precious"


def test_partial_video_is_kept_where_that_is_wanted(tmp_path):
    def write_and_fail() -> None:
        with VideoWriter(tmp_path / "video.mp4", keep_partial=True) as video:
            video.write(GREY)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_fail()
    assert len(frames_of(tmp_path / "video.mp4")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_room(tmp_path, suffix):
    """A limit of the size of files stands for a full disk."""
    random = np.random.default_rng(0)

    def write_noise() -> None:
        with VideoWriter(tmp_path / f"video.{suffix}") as video:
            for _ in range(20):
                video.write(random.integers(0, 255, (200, 200, 3), np.uint8))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(InputError, match=rf"cannot write video .*video.{suffix}: File too large"):
            write_noise()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


WRITE_UNTIL_KILLED = """if True:
    import sys, time
    from pathlib import Path
    import numpy as np
    from pytracking.utils.video_writer import VideoWriter
    video = VideoWriter(Path(sys.argv[1]))
    video.open()
    print("open", flush=True)
    for number in range(int(sys.argv[2])):
        video.write(np.full((48, 64, 3), 40 + 20 * number, np.uint8))
    print("written", flush=True)
    time.sleep(120)
"""


def killed_writer(path: Path, frames: int) -> None:
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path), str(frames)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline(), process.stdout.readline()] == ["open\n", "written\n"]
        with VideoWriter(path) as other:  # what a living process writes is not a leftover
            other.write(GREY)
        process.send_signal(signal.SIGKILL)
    path.unlink()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_killed_writer_loses_at_most_its_last_frame(tmp_path, capsys, suffix):
    path = tmp_path / f"walk.{suffix}"
    killed_writer(path, 8)
    (leftover,) = tmp_path.glob(f".walk.*.tmp.{suffix}")
    assert len(frames_of(leftover)) >= 7  # as it is
    with VideoWriter(path, keep_partial=True) as video:
        video.write(GREY)
    completed = tmp_path / f"walk.interrupted.{suffix}"
    assert f"completed what a killed run left: {completed} (" in capsys.readouterr().err
    frames = frames_of(completed)
    assert len(frames) >= 7
    for number, frame in enumerate(frames):
        assert abs(frame.mean() - (40 + 20 * number)) < 6
    assert len(frames_of(path)) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([path.name, completed.name])


def test_damaged_leftovers_are_completed_or_removed(tmp_path, capsys):
    path = tmp_path / "walk.mp4"
    killed_writer(path, 6)  # the last frame is in no fragment yet
    (leftover,) = tmp_path.glob(".walk.*.tmp.mp4")
    leftover.write_bytes(leftover.read_bytes()[:-30])  # in the middle of a frame
    leftover.with_name(".walk.0123456789ab.tmp.mp4").write_bytes(b"")
    leftover.with_name(".walk.0123456789ac.tmp.mp4").write_bytes(b"no video" * 100)
    (tmp_path / "walk.interrupted.mp4").write_bytes(b"of an earlier run")
    VideoWriter(path, keep_partial=True).open()
    assert "walk.interrupted-2.mp4 (4 frames)" in capsys.readouterr().err
    assert len(frames_of(tmp_path / "walk.interrupted-2.mp4")) == 4
    assert not list(tmp_path.glob(".walk.*.tmp.mp4"))


def test_leftovers_that_are_worth_nothing_are_removed(tmp_path):
    path = tmp_path / "Deer.mp4"
    killed_writer(path, 3)
    with VideoWriter(path) as video:
        video.write(GREY)
    assert [each.name for each in tmp_path.iterdir()] == ["Deer.mp4"]
