"""Where frames come from: RGB, the right way up, one after the other.

A file or a folder waits: each of its frames is given. A camera or a stream does not: it is read in a thread, and of the
frames that come while the tracker works only the newest is kept, so that what is shown is the present and memory stays
flat. The others are counted and dropped.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ltr.common.errors import InputError
from ltr.common.files import new_token
from ltr.common.fingerprints import files_fingerprint
from ltr.common.image import read_image
from ltr.common.types import Image
from ltr.dataset.frame_files import IMAGE_SUFFIXES, images_in, ordered_frames

DEFAULT_FPS = 30.0  # of a saved video, where the source does not say
OPEN_MILLISECONDS = 10_000  # that a stream may take to answer
PATIENCE = 10.0  # seconds without a frame after which a camera or stream is given up


@dataclass(frozen=True)
class Frame:
    """An RGB image, and how many were dropped since the one before."""

    image: Image  # (H, W, 3)
    num_dropped: int = 0


class FrameSource(Protocol):
    """A stream of frames."""

    name: str  # names the results
    fps: float
    num_frames: int | None  # as announced, which may be an estimate; None: unknown

    def read(self) -> Frame | None:
        """The next frame; None at the end. Raises InputError where there should be one and is not."""

    def close(self) -> None:
        """Give the file or device back."""


def open_source(source: str | Path | int) -> FrameSource:
    """A video file, a folder of images, a camera by its number, or a stream by its URL.

    Raises InputError for what is not there or gives no frame.
    """
    path = Path(source) if not isinstance(source, int) else None
    if path is not None and path.is_dir():
        return ImageFolder(path)
    if path is not None and path.exists():
        return _open_file(path)
    text = str(source)
    if isinstance(source, int) or text.isdecimal():
        return LatestFrames(_open_camera(int(source)))  # type: ignore[arg-type]
    if "://" in text:
        stream = _open_stream(text)
        return LatestFrames(stream) if stream.num_frames is None else stream
    raise InputError(
        f"there is no '{source}'; expected a video file, a folder of images, the number of a camera, or a URL"
    )


def source_files(source: str | Path | int) -> list[Path]:
    """Files that are read: a video file or images; none of a camera or a stream."""
    path = Path(str(source))
    if path.is_dir():
        return sorted(images_in(path))
    return [path] if path.exists() else []


def describe_source(source: str | Path | int) -> dict[str, str]:
    """What tells the frames from others: `source`, its place, and `fingerprint`, never twice the same of a live one.

    Raises InputError for a file that cannot be read.
    """
    if files := source_files(source):
        return {"source": str(Path(str(source)).resolve()), "fingerprint": files_fingerprint(files)}
    place = re.sub(r"(?<=://)[^/@]*@", "", str(source))  # without a password
    return {"source": place, "fingerprint": new_token()}


class ImageFolder:
    """The images of a folder, 9.jpg before 10.jpg."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError for a folder without images, and for names that leave their order open."""
        self._files = ordered_frames(images_in(folder))
        if not self._files:
            kinds = ", ".join(sorted(IMAGE_SUFFIXES))
            raise InputError(f"{folder} holds no images; expected {kinds}")
        self.name = folder.resolve().name
        self.fps = DEFAULT_FPS
        self.num_frames: int | None = len(self._files)
        self._next = 0
        self._shape: tuple[int, ...] | None = None
        self._has_sizes = False

    def read(self) -> Frame | None:
        """The next image. Raises InputError where it is damaged; the first one of another size is told of."""
        if self._next == len(self._files):
            return None
        path = self._files[self._next]
        image = read_image(path)
        self._shape = self._shape or image.shape
        if image.shape != self._shape and not self._has_sizes:
            self._has_sizes = True
            before, here = (f"{shape[1]}x{shape[0]}" for shape in (self._shape, image.shape))
            text = f"{path.name} has {here} pixels, the images before it {before}; a video has the first size"
            print(text, file=sys.stderr)
        self._next += 1
        return Frame(image)

    def close(self) -> None:
        """Nothing is open."""


class Capture:
    """What OpenCV reads: a file, a camera or a stream. A rotation noted in a file is applied."""

    def __init__(self, capture: Any, name: str, problem: str) -> None:
        """Raises InputError with `problem` where no frame can be read."""
        import cv2

        self._capture = capture
        self.name = name
        count, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
        self.num_frames = int(count) if np.isfinite(count) and count > 0 else None
        self.fps = float(fps) if np.isfinite(fps) and 0 < fps <= 1000 else DEFAULT_FPS
        self._first = self.read() if capture.isOpened() else None
        if self._first is None:
            capture.release()
            raise InputError(problem)

    def read(self) -> Frame | None:
        """The next frame."""
        import cv2

        first = getattr(self, "_first", None)
        if first is not None:
            self._first = None
            return first
        is_read, image = self._capture.read()
        return Frame(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))) if is_read else None

    def close(self) -> None:
        """Give the device back."""
        self._capture.release()


class LatestFrames:
    """The newest frame of a source that does not wait."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self.name, self.fps = source.name, source.fps
        self.num_frames: int | None = None
        self._condition = threading.Condition()
        self._frame: Frame | None = None
        self._num_dropped = 0
        self._is_over = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._thread.start()

    def read(self) -> Frame | None:
        """The newest frame that was not given before; waits for one. Raises InputError where none comes for long."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._frame is not None or self._is_over, PATIENCE):
                raise InputError(f"{self.name} has given no frame for {PATIENCE:.0f} s; check the camera or the stream")
            if self._frame is None:
                if self._error is not None:
                    raise self._error
                return None
            frame, self._frame = Frame(self._frame.image, self._num_dropped), None
            self._num_dropped = 0
            return frame

    def close(self) -> None:
        """Stop reading; a source that is stuck is left to its thread."""
        self._is_over = True
        self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self._source.close()

    def _run(self) -> None:
        try:
            while not self._is_over and (frame := self._source.read()) is not None:
                with self._condition:
                    self._num_dropped += self._frame is not None
                    self._frame = frame
                    self._condition.notify()
        except Exception as error:  # raised where the frame is missed
            self._error = error
        finally:
            with self._condition:
                self._is_over = True
                self._condition.notify()


def _open_file(path: Path) -> Capture:
    import cv2

    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise InputError(f"{path} is one image; give the folder of all images, or a video file")
    problem = (
        f"cannot read video {path} ({path.stat().st_size} bytes): it is damaged, no video, or of a kind that OpenCV's "
        "FFmpeg does not know; copy it again, or convert it to MP4"
    )
    with _quiet_opencv():
        return Capture(cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), path.stem, problem)


def _open_camera(number: int) -> Capture:
    import cv2

    devices = sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video*"))
    seen = ""
    if sys.platform == "linux":
        seen = f"; cameras here: {', '.join(devices)}" if devices else "; this machine has none (no /dev/video*)"
    problem = f"cannot read camera {number}: it is not there, in use, or not permitted{seen}"
    with _quiet_opencv():
        return Capture(cv2.VideoCapture(number), "webcam", problem)


def _open_stream(url: str) -> Capture:
    import cv2

    settings = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MILLISECONDS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, OPEN_MILLISECONDS]
    problem = f"cannot read stream {url}: no answer, or nothing that OpenCV's FFmpeg can decode"
    with _quiet_opencv():
        return Capture(cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings), "stream", problem)


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """OpenCV reports at length what `Capture` says in one line."""
    from cv2.utils import logging

    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
