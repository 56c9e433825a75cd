"""Edits of MP4 files that OpenCV wrote, for what its writer cannot make: a rotation, frames of unequal length."""

import struct
from pathlib import Path

QUARTER_TURN = (0, 1, 0, -1, 0, 0, 0, 0, 1)  # clockwise by 90 degrees, as a phone held upright notes it


def rotate(path: Path) -> None:
    """Note in the track header that the picture is to be turned clockwise by 90 degrees."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4
    matrix = start + (40 if data[start] == 0 else 52)
    for place, value in enumerate(QUARTER_TURN):
        scale = 1 << 30 if place % 3 == 2 else 1 << 16
        struct.pack_into(">i", data, matrix + 4 * place, value * scale)
    path.write_bytes(data)


def vary_frame_rate(path: Path) -> None:
    """Make the first four of ten frames last 1.75 times as long, and the others half; the sum stays the same."""
    data = path.read_bytes()
    assert data.index(b"mdat") < data.index(b"moov")  # so that the offsets of the frames stay right
    start = data.index(b"stts") - 4
    size, entries = struct.unpack(">I", data[start : start + 4])[0], data[start + 12 : start + 16]
    assert struct.unpack(">I", entries)[0] == 1
    count, delta = struct.unpack(">II", data[start + 16 : start + 24])
    assert count == 10
    assert delta % 4 == 0
    table = struct.pack(">IIIII", 2, 4, 7 * delta // 4, 6, delta // 2)
    grown = bytearray(data[: start + 12] + table + data[start + size :])
    struct.pack_into(">I", grown, start, size + 8)
    for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        place = data.rindex(name, 0, start) - 4
        struct.pack_into(">I", grown, place, struct.unpack(">I", data[place : place + 4])[0] + 8)
    path.write_bytes(grown)
