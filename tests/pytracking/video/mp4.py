"""MP4 files as phones write them, which this project does not: a rotation, frames of unequal length."""

import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av

from ltr.common.types import Image

QUARTER_TURN = (0, 1, 0, -1, 0, 0, 0, 0, 1)  # clockwise by 90 degrees, as a phone held upright notes it
TICKS = 80  # a second


def write_mp4(path: Path, images: Iterable[Image], lengths: Iterable[int]) -> None:
    """H.264 of RGB images of one size that last as many ticks each."""
    pictures = list(images)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=TICKS // 4, options={"crf": "10", "bf": "0"})
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        stream.height, stream.width = pictures[0].shape[:2]
        begin = 0
        for image, length in zip(pictures, lengths, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.duration, frame.time_base = begin, length, Fraction(1, TICKS)
            begin += length
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def rotate(path: Path) -> None:
    """Note in the track header that the picture is to be turned clockwise by 90 degrees."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4
    matrix = start + (40 if data[start] == 0 else 52)
    for place, value in enumerate(QUARTER_TURN):
        scale = 1 << 30 if place % 3 == 2 else 1 << 16
        struct.pack_into(">i", data, matrix + 4 * place, value * scale)
    path.write_bytes(data)
