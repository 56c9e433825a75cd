import hashlib

import numpy as np
import pytest
import torch

from ltr.common.image import read_image
from ltr.common.types import Image
from pytracking.features.crops import _take, crop_around, crop_geometry, sample_position, sample_scale
from tests.shared_data import Golden, golden, shared_path

CROP = (288, 288)


def synthetic_image(case: Golden) -> Image:
    """The image that section 7 of the golden README defines by a formula."""
    shape = tuple(int(extent) for extent in case["synth_shape"])
    y, x, c = np.meshgrid(*(np.arange(extent) for extent in shape), indexing="ij")
    image = (7 * x + 13 * y + 29 * c + x * y // 5 + (x - y) ** 2 // 11 + case.seed % 97) % 256
    image = image.astype(np.uint8)
    assert hashlib.sha256(image.tobytes()).hexdigest() == str(case.arrays["synth_sha256"])
    return image


def real_image(case: Golden) -> Image:
    image = read_image(shared_path("data", "OTB100", "Crossing", "img", "0001.jpg"))
    assert image.shape == tuple(case["image_shape"].tolist())
    return image


def ramp(height: int, width: int) -> Image:
    """Image whose red and green channels are its row and column numbers."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(height)[:, None]
    image[..., 1] = np.arange(width)
    return image


def test_crop_takes_the_pixels_that_its_coordinates_name() -> None:
    patch, coords = crop_around(ramp(100, 120), np.array([50.0, 60.0]), np.array([20.0, 31.0]))
    y1, x1, y2, x2 = coords.astype(int)
    assert (y2 - y1, x2 - x1) == (20, 31)
    assert patch.shape == (1, 3, 20, 31)
    np.testing.assert_array_equal(patch[0, 0, :, 0], np.arange(y1, y2))
    np.testing.assert_array_equal(patch[0, 1, 0], np.arange(x1, x2))


def test_edge_is_repeated_beyond_the_border() -> None:
    patch, coords = crop_around(ramp(40, 50), np.array([2.0, 48.0]), np.array([21.0, 21.0]))
    np.testing.assert_array_equal(patch[0, 0, :, 0], np.clip(np.arange(coords[0], coords[2]), 0, 39))
    np.testing.assert_array_equal(patch[0, 1, 0], np.clip(np.arange(coords[1], coords[3]), 0, 49))


@pytest.mark.parametrize("pos", [[-500.0, -500.0], [20.0, 700.0], [20.0, 25.0]])
def test_large_crops_are_subsampled_before_the_resize(pos: list[float]) -> None:
    patch, coords = crop_around(ramp(40, 50), np.array(pos), np.array([200.0, 200.0]), (20, 20))
    assert patch.shape == (1, 3, 20, 20)
    assert np.isfinite(patch.numpy()).all()
    assert sample_scale(coords, (20, 20)) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("mode", ["inside", "inside_major"])
def test_inside_modes_shift_and_shrink_into_the_image(mode: str) -> None:
    image_sz = np.array([40, 50])
    near_border = crop_geometry(image_sz, np.array([2.0, 49.0]), np.array([20.0, 20.0]), None, mode)
    assert near_border.top_left.tolist() == [0, 30]
    assert near_border.bottom_right.tolist() == [20, 50]
    large = crop_geometry(image_sz, np.array([20.0, 25.0]), np.array([80.0, 80.0]), None, mode)
    assert (large.bottom_right - large.top_left).tolist() == ([40, 40] if mode == "inside" else [50, 50])
    limited = crop_geometry(image_sz, np.array([20.0, 25.0]), np.array([80.0, 80.0]), None, mode, 1.25)
    assert (limited.bottom_right - limited.top_left).tolist() == [64, 64]
    # what still sticks out does so equally on both sides
    assert limited.top_left[0] == -12
    assert limited.bottom_right[0] == 52


@pytest.mark.parametrize("pos", [[10, 15], [-3, 48], [39, 2], [-80, 20], [90, 300], [20, 25]])
@pytest.mark.parametrize(("size", "output"), [((21, 34), None), ((90, 100), None), ((200, 240), (20, 24))])
def test_every_pixel_is_the_nearest_one_of_the_subsampled_image(
    pos: list[int], size: tuple[int, int], output: tuple[int, int] | None
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    geometry = crop_geometry(np.array([40, 50]), np.array(pos), np.array(size), output)
    rows, columns = (
        np.clip(np.arange(low, high), 0, -(-(extent - offset) // geometry.step) - 1) * geometry.step + offset
        for low, high, extent, offset in zip(
            geometry.top_left, geometry.bottom_right, (40, 50), geometry.offset, strict=True
        )
    )
    np.testing.assert_array_equal(_take(image, geometry), image[rows][:, columns])


def test_unknown_border_mode_is_named() -> None:
    with pytest.raises(ValueError, match="mirror"):
        crop_geometry(np.array([4, 4]), np.zeros(2), np.ones(2), None, "mirror")


@pytest.mark.parametrize("which", ["real", "synth"])
def test_golden_crops(which: str) -> None:
    case = golden("c07_sampling.npz")
    image = real_image(case) if which == "real" else synthetic_image(case)
    # another JPEG decoder may differ by two grey levels
    tolerance = 2.0 if which == "real" else 2e-3
    for k, (pos, size) in enumerate(zip(case["pos"].double(), case["sample_sz"].double(), strict=True)):
        patch, coords = crop_around(image, pos.numpy(), size.numpy(), CROP)
        np.testing.assert_array_equal(coords, case[f"{which}_coords"][k])
        found = patch[0, :, ::12, ::12] if which == "real" else patch[0, :, 3::12, 5::12]
        np.testing.assert_allclose(found, case[f"{which}_sub"][k], rtol=0, atol=tolerance)
        np.testing.assert_allclose(sample_position(coords), case[f"{which}_sample_pos"][k], rtol=0, atol=1e-4)
        assert sample_scale(coords, CROP) == pytest.approx(float(case[f"{which}_sample_scale"][k]), rel=1e-6)


def test_golden_crop_without_resize() -> None:
    case = golden("c07_sampling.npz")
    patch, coords = crop_around(synthetic_image(case), np.array([30.0, 20.0]), np.array([64.0, 48.0]))
    if not np.array_equal(coords, case["synth_noresize_coords"]):
        patch, coords = crop_around(synthetic_image(case), np.array([20.0, 30.0]), np.array([64.0, 48.0]))
    np.testing.assert_array_equal(coords, case["synth_noresize_coords"])
    np.testing.assert_array_equal(patch[0], case["synth_noresize"])


@pytest.mark.parametrize("size", [[64.0, 100.0], [288.0, 288.0], [351.0, 347.0], [1100.0, 900.0]])
def test_both_ways_to_resize_give_the_same_crop(size: list[float]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)  # noise: the steepest slopes there are
    pos, extent = np.array([320.0, 410.0]), np.array(size)
    patch, coords = crop_around(image, pos, extent, CROP)
    other, other_coords = crop_around(image, pos, extent, CROP, resize="opencv")
    np.testing.assert_array_equal(other_coords, coords)
    assert other.shape == patch.shape
    # A coordinate below 1024 in float32 is off by up to 1e-4 after three roundings, and the slope is up to 255.
    torch.testing.assert_close(other, patch, rtol=0, atol=2 * 255 * 1e-4)
