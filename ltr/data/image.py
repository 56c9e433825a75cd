"""Reading images: RGB, as stored, and never silently incomplete."""

from pathlib import Path

import numpy as np

from ltr.admin.errors import InputError

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"


def read_image(path: str | Path) -> np.ndarray:
    """Image file as RGB uint8 (H, W, 3); grey images get three equal channels.

    The orientation noted in a file's EXIF part is ignored, because annotated boxes count the stored pixels.
    Raises InputError for a file that is missing, cut off or no image.
    """
    import cv2

    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read image {path}: {error.strerror or error}") from error
    if _is_cut_off(data):
        raise InputError(f"image {path} is cut off ({len(data)} bytes, no end-of-image mark); copy or extract it again")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if image is None:
        raise InputError(f"{path} is no image that OpenCV can decode ({len(data)} bytes); copy or extract it again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _is_cut_off(data: bytes) -> bool:
    # OpenCV decodes the first part of a cut JPEG or PNG file without complaint and leaves the rest grey or black.
    if data.startswith(_JPEG_START):
        return data.find(_JPEG_END, _jpeg_scan_start(data)) < 0
    if data.startswith(_PNG_START):
        return b"IEND" not in data[-64:]
    return False


def _jpeg_scan_start(data: bytes) -> int:
    """Offset of the first scan: an end mark before it belongs to a thumbnail, one after it is the image's own."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xDA:
            return position
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position
