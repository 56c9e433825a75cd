import math

import numpy as np
import pytest
import torch

from pytracking.features.augmentation import FlipHorizontal, Identity
from pytracking.features.preprocessing import (
    numpy_to_torch,
    sample_patch,
    sample_patch_multiscale,
    sample_patch_transformed,
    torch_to_numpy,
)
from tests.pytracking.features.test_crops import CROP, real_image, synthetic_image
from tests.shared_data import golden


def noise(height: int, width: int, channels: int = 3) -> torch.Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(0))


def nearest(image: torch.Tensor, y: int, x: int) -> torch.Tensor:
    """The pixel, or that of the edge next to it."""
    height, width = image.shape[-2:]
    return image[0, :, min(max(y, 0), height - 1), min(max(x, 0), width - 1)]


def test_images_become_tensors_and_arrays_again() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    tensor = numpy_to_torch(image)
    assert tensor.shape == (1, 3, 4, 5)
    assert tensor.dtype == torch.float32
    assert tensor[0, 2, 1, 3] == image[1, 3, 2]
    np.testing.assert_array_equal(torch_to_numpy(tensor.requires_grad_()), image)
    np.testing.assert_array_equal(torch_to_numpy(numpy_to_torch(image[..., ::-1])), image[..., ::-1])


@pytest.mark.parametrize("pos", [(10.9, 15.2), (-3.0, 48.0), (39.0, 2.0), (-80.0, 20.0), (90.0, 300.0)])
@pytest.mark.parametrize("size", [(20, 31), (21, 34), (1, 1)])
def test_every_pixel_is_the_one_that_the_coordinates_name(pos: tuple[float, float], size: tuple[int, int]) -> None:
    image = noise(40, 50)
    patch, coords = sample_patch(image, torch.tensor(pos), torch.tensor(size))
    extent = [max(value, 2) for value in size]
    low = [math.trunc(center) - (n - 1) // 2 for center, n in zip(pos, extent, strict=True)]
    assert coords.tolist() == [[*low, *(corner + n for corner, n in zip(low, extent, strict=True))]]
    assert patch.shape == (1, 3, *extent)
    for y, x in np.ndindex(*extent):
        torch.testing.assert_close(patch[0, :, y, x], nearest(image, low[0] + y, low[1] + x), rtol=0, atol=0)


def test_beyond_the_border_a_mask_is_empty() -> None:
    mask = torch.ones(1, 1, 10, 12)
    patch, coords = sample_patch(mask, torch.tensor([0.0, 11.0]), torch.tensor([5.0, 7.0]), is_mask=True)
    rows, columns = (torch.arange(coords[0, i], coords[0, i + 2]) for i in (0, 1))
    inside = ((rows >= 0) & (rows < 10))[:, None] & ((columns >= 0) & (columns < 12))
    torch.testing.assert_close(patch[0, 0], inside.float(), rtol=0, atol=0)
    outside, _ = sample_patch(mask, torch.tensor([-60.0, -60.0]), torch.tensor([5.0, 7.0]), is_mask=True)
    assert outside.sum() == 0


def test_masks_take_the_nearest_pixel() -> None:
    mask = (noise(40, 50, 1) > 0.5).float()
    arguments = (mask, torch.tensor([20.0, 25.0]), torch.tensor([20.0, 30.0]), torch.tensor([13, 17]))
    assert set(sample_patch(*arguments, is_mask=True)[0].unique().tolist()) == {0.0, 1.0}
    assert len(sample_patch(*arguments)[0].unique()) > 2


@pytest.mark.parametrize(("mode", "extent"), [("inside", 40), ("inside_major", 50)])
def test_modes_that_keep_the_crop_inside(mode: str, extent: int) -> None:
    image, pos, size = noise(40, 50), torch.tensor([2.0, 49.0]), torch.tensor([80.0, 80.0])
    _, coords = sample_patch(image, pos, size, mode=mode)
    assert (coords[0, 2:] - coords[0, :2]).tolist() == [extent, extent]
    _, limited = sample_patch(image, pos, size, mode=mode, max_scale_change=1.25)
    assert (limited[0, 2:] - limited[0, :2]).tolist() == [64, 64]
    with pytest.raises(ValueError, match="mirror"):
        sample_patch(image, pos, size, mode="mirror")


@pytest.mark.parametrize("which", ["real", "synth"])
def test_golden_crops(which: str) -> None:
    case = golden("c07_sampling.npz")
    image = numpy_to_torch(real_image(case) if which == "real" else synthetic_image(case))
    tolerance = 2.0 if which == "real" else 2e-3  # another JPEG decoder may differ by two grey levels
    for k, (pos, size) in enumerate(zip(case["pos"], case["sample_sz"], strict=True)):
        patch, coords = sample_patch(image, pos, size, torch.tensor(CROP))
        np.testing.assert_array_equal(coords[0], case[f"{which}_coords"][k])
        found = patch[0, :, ::12, ::12] if which == "real" else patch[0, :, 3::12, 5::12]
        np.testing.assert_allclose(found, case[f"{which}_sub"][k], rtol=0, atol=tolerance)


def test_several_scales_are_several_crops() -> None:
    image, pos, size = noise(60, 70), torch.tensor([30.0, 35.0]), torch.tensor([16.0, 20.0])
    patches, coords = sample_patch_multiscale(image, pos, [0.5, 1.0, 2.0], size)
    assert patches.shape == (3, 3, 16, 20)
    # Crops of an even extent n reach from n/2 - 1 pixels before the position to n/2 behind it.
    assert coords.tolist() == [[27, 31, 35, 41], [23, 26, 39, 46], [15, 16, 47, 56]]
    torch.testing.assert_close(patches[1], image[0, :, 23:39, 26:46], rtol=0, atol=0)
    one, _ = sample_patch_multiscale(image, pos, 2.0, size)
    # Of twice the size, in half the resolution: each pixel is the mean of four.
    torch.testing.assert_close(one[0], torch.nn.functional.avg_pool2d(image[0, :, 15:47, 16:56], 2))


def test_transforms_are_applied_to_one_crop() -> None:
    image, pos, size = noise(60, 70), torch.tensor([30.0, 35.0]), torch.tensor([16.0, 20.0])
    patches = sample_patch_transformed(image, pos, 1.0, size, [Identity((8, 8))])
    torch.testing.assert_close(patches[0], image[0, :, 27:35, 32:40], rtol=0, atol=0)
    both = sample_patch_transformed(image, pos, 1.0, size, [Identity(), FlipHorizontal()])
    torch.testing.assert_close(both[1], both[0].flip(2), rtol=0, atol=0)
