import numpy as np
import pytest
import torch

from pytracking.features.augmentation import (
    Blur,
    FlipHorizontal,
    Rotate,
    Scale,
    Transform,
    center_crop,
    initial_transforms,
)
from pytracking.features.preprocessing import sample_patch
from pytracking.tracker.dimp.params import default_augmentation
from tests.pytracking.features.test_preprocessing import real_image, synthetic_image
from tests.shared_data import golden

CROP = (288, 288)


def spot(size: int, row: int, column: int) -> torch.Tensor:
    patch = torch.zeros(1, 3, size, size)
    patch[:, :, row, column] = 1
    return patch


def where(patch: torch.Tensor) -> tuple[int, int]:
    row, column = divmod(int(patch[0, 0].argmax()), patch.shape[3])
    return row, column


def test_positive_shift_moves_the_content_down_and_right() -> None:
    assert where(Transform()(spot(20, 10, 10), (10, 10))) == (5, 5)
    assert where(Transform((2, -3))(spot(20, 10, 10), (10, 10))) == (7, 2)


def test_center_crop_repeats_the_edge() -> None:
    patch = torch.arange(4.0).repeat(1, 3, 4, 1)
    np.testing.assert_array_equal(center_crop(patch, (2, 6), (0, 0))[0, 0, 0], [0, 0, 1, 2, 3, 3])


def test_flip_mirrors_columns() -> None:
    assert where(FlipHorizontal()(spot(20, 8, 6), (20, 20))) == (8, 13)


def test_quarter_turn_is_exact() -> None:
    # R = [[0, 1], [-1, 0]] sends (x, y) = (c + d, c) to (c, c - d): a quarter turn against the clock
    turned = Rotate(angle=90)(spot(21, 10, 14), (21, 21))
    assert where(turned) == (6, 10)
    torch.testing.assert_close(turned.sum(), torch.tensor(3.0), rtol=0, atol=1e-4)


def test_blur_keeps_the_mean_inside_and_loses_it_at_the_zero_border() -> None:
    blurred = Blur(sigma=(2.0, 1.0))(torch.ones(1, 3, 30, 30), (30, 30))
    torch.testing.assert_close(blurred[0, 0, 15, 15], torch.tensor(1.0))
    assert blurred[0, 0, 0, 15] < 0.7


@pytest.mark.parametrize(("factor", "slope"), [(2.0, 2.0), (0.5, 0.5), (1.0, 1.0)])
def test_scale_resizes_before_the_crop(factor: float, slope: float) -> None:
    """A factor of 2 halves the picture: neighbors are twice as far apart. A ramp stays a ramp."""
    patch = Scale(factor=factor)(torch.arange(40.0).repeat(1, 3, 40, 1), (10, 10))
    torch.testing.assert_close(patch[0, 0, 0].diff(), torch.full((9,), slope))
    torch.testing.assert_close(patch[0, 0, 0].mean(), torch.tensor(19.5))  # the center stays


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.1, 1.3, 3.0])
@pytest.mark.parametrize("extent", [40, 41])
def test_scaled_patches_keep_their_center(factor: float, extent: int) -> None:
    patch = Scale(factor=factor).warp(torch.zeros(1, 3, extent, extent))
    assert (patch.shape[-1] - extent) % 2 == 0
    assert abs(patch.shape[-1] - extent / factor) <= 1.5  # half by rounding, one by parity


def test_fixed_shifts_follow_the_global_one() -> None:
    augmentation = {"shift": [(3, -4)], "relativeshift": [(0.6, -0.6)], "fliplr": True}
    transforms = initial_transforms(augmentation, CROP, lambda: (7, 7), (5, -2))
    assert [t.shift for t in transforms] == [(5, -2), (8, -6), (91, -88), (7, 7)]


def test_order_and_unknown_keys() -> None:
    kinds = [type(t).__name__ for t in initial_transforms(default_augmentation(), CROP, lambda: (0, 0))]
    assert kinds == ["Transform"] * 5 + ["FlipHorizontal"] + ["Blur"] * 3 + ["Rotate"] * 4
    with pytest.raises(ValueError, match="rotation"):
        initial_transforms({"rotation": [3]}, CROP, lambda: (0, 0))


@pytest.mark.parametrize("which", ["real", "synth"])
def test_golden_first_frame(which: str) -> None:
    case = golden("c07_sampling.npz")
    image = real_image(case) if which == "real" else synthetic_image(case)
    size = np.full(2, 576 * float(case["aug_target_scale"]))
    patch, coords = sample_patch(image, case["aug_init_pos"].double().numpy(), size, (576, 576))
    np.testing.assert_array_equal(coords, case[f"aug_{which}_base_coords"])

    shifts = iter([(int(y), int(x)) for y, x in case["aug_random_shifts"]])
    transforms = initial_transforms(default_augmentation(), CROP, lambda: next(shifts))
    np.testing.assert_array_equal([t.shift for t in transforms], case["aug_total_shift"])
    for transform, expected in zip(transforms, case[f"aug_{which}_sub"], strict=True):
        error = (transform(patch, CROP)[0, :, 1::13, 2::13] - expected).abs()
        if which == "synth" and not isinstance(transform, Rotate):
            assert error.max() < 2e-3
        assert error.mean() < 0.1 if which == "synth" else 2.0
