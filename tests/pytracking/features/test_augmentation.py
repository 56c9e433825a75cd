import random
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch

from pytracking.features.augmentation import (
    Affine,
    Blur,
    FlipHorizontal,
    FlipVertical,
    Identity,
    RandomAffine,
    Rotate,
    Scale,
    Transform,
    Translation,
    center_crop,
    initial_transforms,
)
from pytracking.features.crops import crop_around
from pytracking.tracker.dimp.params import default_augmentation
from tests.pytracking.features.test_crops import real_image, synthetic_image
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
    assert where(Identity((10, 10))(spot(20, 10, 10))) == (5, 5)
    assert where(Identity((10, 10), (2, -3))(spot(20, 10, 10))) == (7, 2)
    assert where(Translation((1, 1), (10, 10), (2, -3))(spot(20, 10, 10))) == (8, 3)


def test_without_a_size_the_patch_keeps_its_own() -> None:
    assert where(Translation((2, -3))(spot(20, 10, 10))) == (12, 7)


def test_center_crop_repeats_the_edge() -> None:
    patch = torch.arange(4.0).repeat(1, 3, 4, 1)
    np.testing.assert_array_equal(center_crop(patch, (2, 6), (0, 0))[0, 0, 0], [0, 0, 1, 2, 3, 3])


def test_flip_mirrors_columns() -> None:
    assert where(FlipHorizontal()(spot(20, 8, 6))) == (8, 13)


def test_vertical_flip_mirrors_rows() -> None:
    assert where(FlipVertical()(spot(20, 8, 6))) == (11, 6)


def test_quarter_turn_is_exact() -> None:
    # R = [[0, 1], [-1, 0]] sends (x, y) = (c + d, c) to (c, c - d): a quarter turn against the clock
    turned = Rotate(90)(spot(21, 10, 14))
    assert where(turned) == (6, 10)
    torch.testing.assert_close(turned.sum(), torch.tensor(3.0), rtol=0, atol=1e-4)


def test_blur_keeps_the_mean_inside_and_loses_it_at_the_zero_border() -> None:
    blurred = Blur((2.0, 1.0))(torch.ones(1, 3, 30, 30))
    torch.testing.assert_close(blurred[0, 0, 15, 15], torch.tensor(1.0))
    assert blurred[0, 0, 0, 15] < 0.7
    torch.testing.assert_close(Blur(2)(spot(21, 10, 10)), Blur((2.0, 2.0))(spot(21, 10, 10)))


def test_blur_of_a_spot_is_the_product_of_two_gaussians() -> None:
    blurred = Blur((2.0, 1.0))(spot(21, 10, 10))[0, 0]
    rows, columns = (np.exp(-(np.arange(-r, r + 1) ** 2) / (2 * s**2)) for r, s in ((4, 2.0), (2, 1.0)))
    expected = np.outer(rows / rows.sum(), columns / columns.sum())
    np.testing.assert_allclose(blurred[6:15, 8:13], expected, rtol=1e-5)


@pytest.mark.parametrize(("factor", "slope"), [(2.0, 2.0), (0.5, 0.5), (1.0, 1.0)])
def test_scale_resizes_before_the_crop(factor: float, slope: float) -> None:
    """A factor of 2 halves the picture: neighbors are twice as far apart. A ramp stays a ramp."""
    patch = Scale(factor, (10, 10))(torch.arange(40.0).repeat(1, 3, 40, 1))
    torch.testing.assert_close(patch[0, 0, 0].diff(), torch.full((9,), slope))
    torch.testing.assert_close(patch[0, 0, 0].mean(), torch.tensor(19.5))  # the center stays


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.1, 1.3, 3.0])
@pytest.mark.parametrize("extent", [40, 41])
def test_scaled_patches_keep_their_center(factor: float, extent: int) -> None:
    patch = Scale(factor).warp(torch.zeros(1, 3, extent, extent))
    assert (patch.shape[-1] - extent) % 2 == 0
    assert abs(patch.shape[-1] - extent / factor) <= 1.5  # half by rounding, one by parity


SHEARED = np.array([[1.1, 0.2, -3.0], [-0.1, 0.9, 4.5]])


def turn(angle: float, height: int, width: int) -> np.ndarray:
    """cv2's rotation against the clock, about the middle between the centers of the corners."""
    return np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0))


@pytest.mark.parametrize(
    ("transform", "matrix"),
    [
        (lambda: Affine(SHEARED), lambda h, w: SHEARED),
        (lambda: Rotate(20), lambda h, w: turn(20, h, w)),
    ],
)
@pytest.mark.parametrize("shape", [(40, 40), (30, 50)])
def test_affine_maps_are_those_of_opencv(
    transform: Callable[[], Transform], matrix: Callable[[int, int], np.ndarray], shape: tuple[int, int]
) -> None:
    """An image of two ramps says in every pixel where it comes from; OpenCV knows 1/32 of a pixel."""
    ramps = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), axis=-1).astype(np.float32)
    expected = cv2.warpAffine(ramps, matrix(*shape), shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    found = transform()(ramps)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.07)


@pytest.mark.parametrize("border_mode", ["constant", "replicate"])
def test_random_affine_draws_once_within_its_limits(border_mode: str) -> None:
    random.seed(3)
    patch = torch.rand(1, 3, 30, 40, generator=torch.Generator().manual_seed(0))
    flips = []
    for _ in range(40):
        transform = RandomAffine(0.5, 20.0, 0.1, 0.2, 0.3, border_mode)
        flips.append(transform.flip)
        assert abs(transform.rotation) <= 20
        assert max(map(abs, transform.shear)) <= 0.1
        assert abs(np.log(transform.scale[0])) <= 0.2
        assert abs(np.log(transform.scale[1] / transform.scale[0])) <= 0.3
        area = np.linalg.det(transform.matrix(30, 40)[:, :2])
        shear = 1 - transform.shear[0] * transform.shear[1]
        assert area == pytest.approx((-1 if transform.flip else 1) * np.prod(transform.scale) * shear)
        np.testing.assert_allclose(transform.matrix(30, 40) @ [20, 15, 1], [20, 15])  # the middle stays
        torch.testing.assert_close(transform(patch), transform(patch), rtol=0, atol=0)
    assert 8 <= sum(flips) <= 32  # beyond five standard deviations nowhere
    edge = RandomAffine(max_scale=0.0, border_mode=border_mode)
    edge.scale = (0.5, 0.5)
    corner = edge(torch.ones(1, 1, 20, 20))[0, 0, 0, 0]
    assert corner == (0 if border_mode == "constant" else 1)


def test_random_affine_flips_shears_turns_and_scales_in_this_order() -> None:
    transform = RandomAffine()
    transform.flip, transform.rotation, transform.shear, transform.scale = True, 30.0, (0.1, -0.05), (1.2, 0.9)
    turned = np.vstack((cv2.getRotationMatrix2D((20, 15), 30, 1), [0, 0, 1]))
    for x, y in [(20.0, 15.0), (0.0, 0.0), (33.0, 7.0)]:
        flipped = 40 - x - 20, y - 15  # from the middle of an image of 40 x 30
        sheared = flipped[0] + 0.1 * flipped[1], flipped[1] - 0.05 * flipped[0]
        x_turned, y_turned, _ = turned @ [sheared[0] + 20, sheared[1] + 15, 1]
        expected = 20 + 1.2 * (x_turned - 20), 15 + 0.9 * (y_turned - 15)
        np.testing.assert_allclose(transform.matrix(30, 40) @ [x, y, 1], expected, atol=1e-9)


def test_random_affine_of_a_mask_has_no_new_values() -> None:
    random.seed(0)
    mask = (torch.rand(1, 1, 30, 30, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    transform = RandomAffine(0.0, 30.0)
    assert set(transform(mask, is_mask=True).unique().tolist()) == {0.0, 1.0}
    assert len(transform(mask).unique()) > 2
    with pytest.raises(ValueError, match="mirror"):
        RandomAffine(border_mode="mirror")


def test_an_array_comes_back_as_an_array_of_its_type() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    flipped = FlipHorizontal()(image)
    assert flipped.dtype == np.uint8
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    assert Rotate(30)(np.full((6, 8, 3), 200, np.uint8)).min() == 200  # rounded, not cut


def test_a_transform_of_ones_own_crops_as_the_others() -> None:
    class Negative(Transform):
        def __call__(self, image: torch.Tensor, is_mask: bool = False) -> torch.Tensor:
            return self.crop_to_output(255 - image)

    patch = torch.arange(100.0).reshape(1, 1, 10, 10)
    np.testing.assert_array_equal(Negative((2, 2), (1, 0))(patch)[0, 0], 255 - patch[0, 0, 3:5, 4:6])


def test_fixed_shifts_follow_the_global_one() -> None:
    augmentation = {"shift": [(3, -4)], "relativeshift": [(0.6, -0.6)], "fliplr": True}
    transforms = initial_transforms(augmentation, CROP, lambda: (7, 7), (5, -2))
    assert [t.shift for t in transforms] == [(5, -2), (8, -6), (91, -88), (7, 7)]


def test_order_and_unknown_keys() -> None:
    kinds = [type(t).__name__ for t in initial_transforms(default_augmentation(), CROP, lambda: (0, 0))]
    assert kinds == ["Identity"] + ["Translation"] * 4 + ["FlipHorizontal"] + ["Blur"] * 3 + ["Rotate"] * 4
    with pytest.raises(ValueError, match="rotation"):
        initial_transforms({"rotation": [3]}, CROP, lambda: (0, 0))


@pytest.mark.parametrize("which", ["real", "synth"])
def test_golden_first_frame(which: str) -> None:
    case = golden("c07_sampling.npz")
    image = real_image(case) if which == "real" else synthetic_image(case)
    size = np.full(2, 576 * float(case["aug_target_scale"]))
    patch, coords = crop_around(image, case["aug_init_pos"].double().numpy(), size, (576, 576))
    np.testing.assert_array_equal(coords, case[f"aug_{which}_base_coords"])

    shifts = iter([(int(y), int(x)) for y, x in case["aug_random_shifts"]])
    transforms = initial_transforms(default_augmentation(), CROP, lambda: next(shifts))
    np.testing.assert_array_equal([t.shift for t in transforms], case["aug_total_shift"])
    for transform, expected in zip(transforms, case[f"aug_{which}_sub"], strict=True):
        error = (transform(patch)[0, :, 1::13, 2::13] - expected).abs()
        if which == "synth" and not isinstance(transform, Rotate):
            assert error.max() < 2e-3
        assert error.mean() < 0.1 if which == "synth" else 2.0
