import numpy as np
import pytest
import torch
from PIL import Image

from ltr.common.errors import InputError
from ltr.common.image import ImageRangeWarning
from pytracking.utils.image_input import ImageInput

RGB = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
GREY = RGB[..., 0]
GREY_RGB = np.repeat(GREY[..., None], 3, axis=2)
ALPHA = np.full((40, 60, 1), 255, np.uint8)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (RGB, RGB),
        (RGB[:, ::-1], RGB[:, ::-1]),
        (RGB[..., ::-1], RGB[..., ::-1]),  # the idiom for BGR, which torch does not take
        (RGB.tolist(), RGB),
        (RGB[None], RGB),
        (RGB.transpose(2, 0, 1), RGB),
        (torch.from_numpy(RGB), RGB),
        (torch.from_numpy(RGB).permute(2, 0, 1)[None] / 255, RGB),
        (RGB / 255, RGB),
        ((RGB / 255).astype(np.float32), RGB),
        (RGB.astype(np.float64), RGB),
        (RGB.astype(np.int64), RGB),
        (RGB.astype(">u2"), RGB),
        (np.concatenate((RGB, ALPHA), axis=2), RGB),
        (np.concatenate((RGB, ALPHA), axis=2).transpose(2, 0, 1), RGB),
        (GREY, GREY_RGB),
        (GREY[..., None], GREY_RGB),
        (GREY[None], GREY_RGB),
        (GREY / 255, GREY_RGB),
        (GREY > 100, np.repeat((GREY > 100)[..., None] * np.uint8(255), 3, axis=2)),
        (Image.fromarray(RGB), RGB),
        (Image.fromarray(RGB).convert("RGBA"), RGB),
        (Image.fromarray(GREY), GREY_RGB),
        (np.ma.masked_array(RGB), RGB),
    ],
)
def test_what_is_meant(image, expected):
    found = ImageInput().first(image)
    assert type(found) is np.ndarray
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)
    torch.from_numpy(found.copy() if not found.flags.writeable else found)


def test_right_images_are_not_copied():
    images = ImageInput()
    view = RGB[5:, 10:]
    assert images.first(RGB) is RGB
    assert images.next(view) is view


@pytest.mark.parametrize("deep", [np.uint16, np.int32, "PIL"])
def test_more_bits_are_scaled_by_the_first_image(deep):
    first = np.linspace(7000, 9000, 60).round().astype(np.uint16) * np.ones((40, 1), np.uint16)
    second = np.full_like(first, 8000)
    second[0, 0], second[0, 1] = 100, 16000

    def form(image):
        return Image.fromarray(image) if deep == "PIL" else image.astype(deep)

    images = ImageInput()
    with pytest.warns(ImageRangeWarning, match="values from 7000 to 9000; of this and all later images"):
        shown = images.first(form(first))
    np.testing.assert_allclose(shown[..., 1], (first - 7000.0) * 255 / 2000, atol=0.51)
    shown = images.next(form(second))
    assert shown[0, 0, 0] == 0
    assert shown[0, 1, 0] == 255
    assert abs(int(shown[5, 5, 0]) - 127.5) <= 0.51


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "found None; cv2.imread gives None"),
        ("frame.jpg", "found str; .*read_image reads a file"),
        (np.zeros((3, 60, 3), np.uint8), r"\(3, 60, 3\) is 3 pixels high or has 3 channels first"),
        (np.zeros((4, 60, 3)), "4 pixels high or has 4 channels first"),
        (np.zeros((40, 60, 2), np.uint8), r"shape \(height, width, 3\), found \(40, 60, 2\)"),
        (np.zeros((2, 40, 60, 3), np.uint8), r"found \(2, 40, 60, 3\)"),
        (np.zeros(7), "found"),
        (np.zeros((0, 60, 3), np.uint8), r"found \(0, 60, 3\)"),
        (np.zeros((40, 0, 3), np.uint8), r"found \(40, 0, 3\)"),
        ([["a", "b"]], "an image of numbers"),
        (RGB / 127.5 - 1, "values from 0 on, found float64 from -1 to 1"),
        (RGB / 255 * 1.4, "from 0 to 1 or from 0 to 255, found 0 to 1.4"),
        (RGB * 64.0, "from 0 to 1 or from 0 to 255, found 0 to 16320"),
        (np.where(RGB == 0, np.nan, RGB), "values from 0 on, found float64 from nan"),
        (RGB.astype(np.int16) - 100, "values from 0 on, found int16 from -100"),
    ],
)
def test_what_is_not_an_image(image, message):
    with pytest.raises(InputError, match=message):
        ImageInput().first(image)


def test_images_of_another_range_than_the_first():
    images = ImageInput()
    images.first(np.zeros((40, 60)))  # black, whatever the range
    images.next(RGB / 255)
    np.testing.assert_array_equal(images.next(RGB / 2550), np.rint(RGB / 10).astype(np.uint8))
    with pytest.raises(InputError, match="values from 0 to 1, as in the first one, found 255"):
        images.next(RGB.astype(float))
    images.first(RGB.astype(float))  # another sequence
    np.testing.assert_array_equal(images.next(RGB // 255 * 1.0), RGB // 255)
