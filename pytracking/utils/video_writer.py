"""Writing videos."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ltr.common.claims import ClaimedError, claim, claim_file
from ltr.common.errors import InputError
from ltr.common.files import check_output, free_path, temporary_beside
from ltr.common.types import Image
from pytracking.utils.drawing import fitted

# Containers that stay readable when their writer is killed, with the options that put every frame into the file at
# once. A hybrid MP4 is in fragments while it is written, and an ordinary MP4 when it is complete.
_MP4 = {"movflags": "hybrid_fragmented+frag_every_frame", "flush_packets": "1"}
_CONTAINERS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("mp4", _MP4),
    ".m4v": ("mp4", _MP4),
    ".mov": ("mov", _MP4),
    ".mkv": ("matroska", {"cluster_time_limit": "1", "flush_packets": "1"}),
}
_ENCODER = {"preset": "veryfast", "crf": "18", "tune": "zerolatency"}  # no frame waits in the encoder
_BT601, _LIMITED_RANGE = 6, 1  # what the conversion to YUV does; without these notes players guess by the size


class VideoWriter:
    """H.264 video of RGB uint8 frames, as a context manager; appears under its name when it is complete.

    Every frame is in the hidden file at once: what a killed process leaves is completed by the next writer of the same
    video, as `<name>.interrupted.mp4`, or removed where a part is worth nothing. The first frame gives the size; others
    are fitted into it. The encoder takes even sizes only: the last row or column of an odd size is there twice.
    """

    def __init__(
        self,
        path: Path,
        fps: float = 30.0,
        sources: Iterable[Path] = (),  # files that are read meanwhile
        *,
        keep_partial: bool = False,  # what was written until an error or a kill is worth having
        token: str | None = None,  # names the hidden file; None: a new one
    ) -> None:
        """Raises InputError for a name that is of no video, a folder, or one of the sources, and for no frame rate."""
        if path.suffix.lower() not in _CONTAINERS:
            raise InputError(f"expected the name of a video that ends in {', '.join(_CONTAINERS)}; found {path}")
        check_output(path, sources)
        if not 0.001 <= fps <= 1000:
            raise InputError(f"expected from 0.001 to 1000 frames a second in {path}, found {fps:g}")
        self.path = path
        self.num_frames = 0
        self._rate = Fraction(fps).limit_denominator(1001)
        self._keep_partial = keep_partial
        self._temporary = temporary_beside(path, token)
        self._container: Any = None
        self._stream: Any = None
        self._claim = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None or self._keep_partial:
            self.close()
        else:
            self.discard()

    def open(self) -> None:
        """Make the folder, and complete what killed writers of this video left. Raises as `write`."""
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            end_leftovers(self.path, self._keep_partial)
            self._claim.enter_context(claim(claim_file(self._temporary)))

    def write(self, image: Image) -> None:
        """Add a frame (H, W, 3). Raises InputError where the video cannot be written."""
        import av

        with self._errors():
            if self._container is None:
                self._start(*image.shape[:2])
            height, width = self._shape
            if image.shape[:2] != self._shape:
                image = fitted(image, (width, height), background=(0, 0, 0))
            if height % 2 or width % 2:
                image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            self._container.mux(self._stream.encode(frame))
            self.num_frames += 1

    def close(self, path: Path | None = None) -> None:
        """Complete the video, under the name `path` where one is given. Raises as `write`."""
        try:
            with self._errors():
                if self._container is not None:
                    self._container.mux(self._stream.encode())
                    self._container.close()
                    os.replace(self._temporary, path or self.path)
        finally:
            self._container = None
            self._claim.close()

    def discard(self) -> None:
        """Leave nothing."""
        try:
            if self._container is not None:
                with contextlib.suppress(OSError):  # the error that led here is the one to report
                    self._container.close()
            self._temporary.unlink(missing_ok=True)
        finally:
            self._container = None
            self._claim.close()

    def _start(self, height: int, width: int) -> None:
        import av

        if "libx264" not in av.codecs_available:
            raise InputError("PyAV has no H.264 encoder here: pip install --force-reinstall av")
        self._shape = height, width
        kind, options = _CONTAINERS[self.path.suffix.lower()]
        self._container = av.open(str(self._temporary), "w", format=kind, options=options)
        self._stream = self._container.add_stream("libx264", rate=self._rate, options=_ENCODER)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.colorspace = _BT601
        self._stream.codec_context.color_range = _LIMITED_RANGE

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"cannot write video {self.path}: {reason}\n  free space or rights there, or name another file"
            ) from error


def end_leftovers(path: Path, keep: bool) -> None:
    """Complete, and tell of, what killed writers of the video `path` left, or remove it.

    Raises OSError where there is no room.
    """
    pattern = re.compile(rf"\.{re.escape(path.stem)}\.[0-9a-f]{{12}}\.tmp{re.escape(path.suffix)}")
    for name in sorted(filter(pattern.fullmatch, os.listdir(path.parent))):
        leftover = path.with_name(name)
        with contextlib.suppress(ClaimedError), claim(claim_file(leftover)):  # else it is being written
            if not keep:
                leftover.unlink()
            elif count := recover_video(leftover):
                target = free_path(path.with_name(f"{path.stem}.interrupted{path.suffix}"))
                os.replace(leftover, target)
                print(f"completed what a killed run left: {target} ({count} frames)", file=sys.stderr)


def recover_video(leftover: Path) -> int:
    """Make an ordinary video of one whose writer was killed; returns its frames. One without frames is removed.

    Raises OSError where it cannot be written.
    """
    import av

    count = 0
    part = leftover.with_name(f"{leftover.name}.part")
    with contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(av.open(str(leftover)))
        except (av.error.InvalidDataError, av.error.EOFError):  # killed before the first frame
            pass
        else:
            made = stack.enter_context(av.open(str(part), "w", format=_CONTAINERS[leftover.suffix.lower()][0]))
            count = _copy_packets(source, made)
    if count:
        os.replace(part, leftover)
    else:
        part.unlink(missing_ok=True)
        leftover.unlink()
    return count


def _copy_packets(source: Any, made: Any) -> int:
    """Copy the encoded frames of a video, up to one that is incomplete."""
    import av

    count = 0
    template = source.streams.video[0]
    stream = made.add_stream_from_template(template)
    packets = source.demux(template)
    while True:
        try:
            packet = next(packets)
        except (av.error.InvalidDataError, StopIteration):
            return count
        if packet.size:  # the last one is empty
            packet.dts = packet.pts  # no frame is encoded after one that is shown later; Matroska leaves dts out
            packet.stream = stream
            made.mux(packet)
            count += 1
