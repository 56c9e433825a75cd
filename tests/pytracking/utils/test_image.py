import cv2
import numpy as np
import pytest

from pytracking.utils.errors import InputError
from pytracking.utils.image import read_image

RED = np.zeros((24, 40, 3), np.uint8)
RED[..., 2] = 255  # BGR
RED[:, :10] = 0


def exif_segment(orientation: int) -> bytes:
    """EXIF part of a JPEG file: an orientation, and a thumbnail's end mark."""
    tiff = (
        b"MM\0*\0\0\0\x08"
        + b"\0\x01"
        + b"\x01\x12\0\x03\0\0\0\x01"
        + orientation.to_bytes(2, "big")
        + b"\0\0"
        + b"\0" * 4
    )
    payload = b"Exif\0\0" + tiff + b"\xff\xd8thumbnail\xff\xd9"
    return b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()


@pytest.mark.parametrize("extension", [".png", ".bmp", ".jpg"])
def test_rgb(tmp_path, extension):
    path = tmp_path / f"red{extension}"
    cv2.imwrite(str(path), RED)
    image = read_image(path)
    assert image.shape == (24, 40, 3)
    assert image.dtype == np.uint8
    assert abs(image[12, 30].astype(int) - [255, 0, 0]).max() <= 4  # JPEG's color rounding


def test_grey_gets_three_channels(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), RED[..., 2])
    image = read_image(tmp_path / "grey.png")
    assert (image[..., 0] == image[..., 1]).all()
    assert image.shape == (24, 40, 3)


def test_orientation_is_ignored(tmp_path):
    data = jpeg(RED)
    (tmp_path / "turned.jpg").write_bytes(data[:2] + exif_segment(6) + data[2:])
    assert read_image(tmp_path / "turned.jpg").shape == (24, 40, 3)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("thumbnail", [False, True])
def test_cut_off(tmp_path, share, extension, thumbnail):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    data = cv2.imencode(extension, noise)[1].tobytes()
    if thumbnail and extension == ".jpg":
        data = data[:2] + exif_segment(1) + data[2:]
    path = tmp_path / f"cut{extension}"
    path.write_bytes(data)
    assert read_image(path).shape == (60, 80, 3)
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"image .*cut\.\w+ is cut off"):
        read_image(path)


def test_bytes_after_the_end_are_no_harm(tmp_path):
    (tmp_path / "padded.jpg").write_bytes(jpeg(RED) + b"\0" * 100)
    assert read_image(tmp_path / "padded.jpg").shape == (24, 40, 3)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xff\xff\xd9"])
def test_no_image(tmp_path, content):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.jpg"):
        read_image(tmp_path / "x.jpg")


def test_missing(tmp_path):
    with pytest.raises(InputError, match=r"cannot read image .*none\.jpg: No such file"):
        read_image(tmp_path / "none.jpg")
