"""Reading images: RGB, as stored, and never silently incomplete; their sizes."""

import contextlib
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np

from ltr.common.errors import InputError

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_RANGE_IMAGES = 100  # of a folder, evenly spaced, that tell its range of values


class ImageRangeWarning(UserWarning):
    """Images of more than 8 bits are shown with 8."""


def read_image(path: str | Path) -> np.ndarray:
    """Image file as RGB uint8 (H, W, 3); grey images get three equal channels.

    Images of more than 8 bits, such as thermal ones, are scaled by the range of values in their folder, so that all
    frames of a sequence are alike; an ImageRangeWarning says which.
    The orientation noted in a file's EXIF part is ignored, because annotated boxes count the stored pixels.
    Raises InputError for a file that is missing, cut off or no image.
    """
    import cv2

    path = Path(path)
    image = _decode(path)
    if image.dtype != np.uint8:
        image = to_bytes(image, *_folder_range(path.parent.absolute(), path.suffix))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def image_size(path: str | Path) -> tuple[int, int]:
    """Width and height of an image file in stored pixels, from its header alone.

    Raises InputError for a file that is missing or no image.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.width, image.height
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read image {path}: {error}") from error


def to_bytes(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values `low` to `high` as uint8 0 to 255; those beyond are cut off."""
    scaled = (image.astype(np.float32) - low) * (255 / (high - low) if high > low else 0)
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


@lru_cache(maxsize=64)
def _folder_range(folder: Path, suffix: str) -> tuple[float, float]:
    """Lowest and highest value in the images of a folder. Raises InputError where some have 8 bits and others more."""
    files = sorted(path for path in folder.iterdir() if path.suffix == suffix and not path.name.startswith("."))
    lows, highs, shallow = [], [], []
    for index in np.unique(np.linspace(0, len(files) - 1, _RANGE_IMAGES).round().astype(int)):
        with contextlib.suppress(InputError):  # a damaged image is reported where it is used
            image = _decode(files[index])
            if image.dtype == np.uint8:
                shallow.append(files[index])
            else:
                lows.append(float(image.min()))
                highs.append(float(image.max()))
    if shallow:
        raise InputError(
            f"{folder}: expected images of one depth, found some of more than 8 bits, and of 8 bits {shallow[0].name}; "
            "move those of one kind elsewhere"
        )
    low, high = min(lows), max(highs)
    warnings.warn(
        f"images of {folder} have more than 8 bits; their values {low:g} to {high:g} become 0 to 255",
        ImageRangeWarning,
        stacklevel=3,
    )
    return low, high


def _decode(path: Path) -> np.ndarray:
    """BGR (H, W, 3) in the depth of the file."""
    import cv2

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read image {path}: {error.strerror or error}") from error
    if _is_cut_off(data):
        raise InputError(f"image {path} is cut off ({len(data)} bytes, no end-of-image mark); copy or extract it again")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if image is None:
        raise InputError(f"{path} is no image that OpenCV can decode ({len(data)} bytes); copy or extract it again")
    return image


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
