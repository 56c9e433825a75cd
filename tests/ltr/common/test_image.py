import warnings

import cv2
import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.common.image import ImageRangeWarning, read_image

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


def write_deep(folder, ranges, name="{:04d}.png"):
    """14-bit ramps, as thermal cameras give them."""
    folder.mkdir(exist_ok=True)
    ramps = [np.tile(np.linspace(low, high, 64).round().astype(np.uint16), (32, 1)) for low, high in ranges]
    for number, ramp in enumerate(ramps, start=1):
        cv2.imwrite(str(folder / name.format(number)), ramp)
    return ramps


def test_more_bits_are_scaled_by_the_range_of_the_sequence(tmp_path):
    ramps = write_deep(tmp_path / "a", [(7400, 7600), (7000, 9000), (8000, 8100)])
    with pytest.warns(ImageRangeWarning, match=r"a have more than 8 bits; their values 7000 to 9000 become 0 to 255"):
        images = [read_image(tmp_path / "a" / f"{number:04d}.png") for number in (1, 2, 3)]
    for image, ramp in zip(images, ramps, strict=True):
        assert image.dtype == np.uint8
        np.testing.assert_allclose(image[..., 0], (ramp - 7000.0) * 255 / 2000, atol=0.51)
        np.testing.assert_array_equal(image[..., 0], image[..., 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the notice is given once
        read_image(tmp_path / "a" / "0001.png")


def test_deep_colors_and_long_sequences(tmp_path):
    color = np.zeros((24, 40, 3), np.uint16)
    color[..., 2] = 4095  # BGR
    cv2.imwrite(str(tmp_path / "red.png"), color)
    with pytest.warns(ImageRangeWarning, match="0 to 4095 become"):
        assert read_image(tmp_path / "red.png")[5, 5].tolist() == [255, 0, 0]
    write_deep(tmp_path / "long", [(100 + n, 1000 - n) for n in range(250)])
    with pytest.warns(ImageRangeWarning, match="100 to 1000 become"):
        read_image(tmp_path / "long" / "0250.png")


def test_images_of_two_depths(tmp_path):
    write_deep(tmp_path / "a", [(7400, 7600)] * 2)
    cv2.imwrite(str(tmp_path / "a" / "0003.png"), RED)
    (tmp_path / "a" / "0004.png").write_bytes(b"damaged")
    assert read_image(tmp_path / "a" / "0003.png").shape == (24, 40, 3)
    with pytest.raises(InputError, match=r"a: expected images of one depth, .* of 8 bits 0003\.png"):
        read_image(tmp_path / "a" / "0001.png")


def test_a_flat_image(tmp_path):
    write_deep(tmp_path / "a", [(300, 300)])
    with pytest.warns(ImageRangeWarning):
        assert (read_image(tmp_path / "a" / "0001.png") == 0).all()
