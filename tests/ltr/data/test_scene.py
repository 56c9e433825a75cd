"""The cropper against golden vectors, and the geometry of scenes."""

import numpy as np
import pytest
import torch

from ltr.data.scene import LARGEST_SCENE, Scene, crop, rois_in_scene, scene_around, scene_of
from ltr.models.tracking.mdnet import without_receptive_field
from tests.pytracking.features.test_crops import synthetic_image
from tests.shared_data import golden

IMAGE = (240, 320)


def test_golden_crops() -> None:
    case = golden("c10_rtmdnet.npz")
    image = synthetic_image(golden("c07_sampling.npz"))
    for number, (box, size) in enumerate(zip(case["crop_boxes"].numpy(), case["crop_sizes"].tolist(), strict=True)):
        found = crop(image, box[None], tuple(size))[0]
        assert found.shape == (3, size[1], size[0])
        torch.testing.assert_close(found[:, ::5, ::5], case[f"crop{number}_sub"], rtol=0, atol=1e-2)
        stats = torch.stack((found.mean(), found.std(correction=0), found.norm(), found.min(), found.max())).double()
        torch.testing.assert_close(stats, case["crop_stats"][number], rtol=1e-4, atol=1e-2)


def test_crops_of_a_batch_are_the_single_ones() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    boxes = np.array([[3.0, 5.0, 20.0, 30.0], [-10.0, 40.0, 60.0, 60.0], [70.5, 2.25, 5.0, 5.0]])
    together = crop(image, boxes, (17, 23))
    for box, found in zip(boxes, together, strict=True):
        assert torch.equal(crop(image, box[None], (17, 23))[0], found)


def test_outside_of_the_image_is_zero() -> None:
    image = np.full((20, 30, 3), 200, np.uint8)
    assert crop(image, np.array([[100.0, 100.0, 10.0, 10.0]]), (8, 8)).abs().max() == 0
    assert crop(image, np.array([[-50.0, -50.0, 130.0, 120.0]]), (40, 40)).max() == 200


def test_golden_rois() -> None:
    case = golden("c10_rtmdnet.npz")
    for name, size in (("maskroi", 107.0), ("maskroi_jit", float(case["maskroi_jit_size"]))):
        rois = rois_in_scene(case["samples"], torch.zeros(2).double(), size / case["maskroi_target_wh"])
        torch.testing.assert_close(without_receptive_field(rois, 75), case[name], rtol=0, atol=1e-9)


def test_scene_holds_the_padded_boxes_at_the_scale_of_the_target() -> None:
    boxes = torch.tensor([[100.0, 80, 40, 20], [150, 60, 50, 30]]).double()
    scene = scene_around(boxes, np.array([40.0, 20.0]), IMAGE, 107)
    np.testing.assert_allclose(scene.box, [96, 57, 205 - 96, 102 - 57])
    np.testing.assert_allclose(scene.scale, [107 / 40, 107 / 20])
    assert scene.size == (int(109 * 107 / 40), int(45 * 107 / 20))
    rois = rois_in_scene(boxes, torch.from_numpy(scene.box[:2]), torch.from_numpy(scene.scale))
    assert rois.min() == 0
    assert rois[:, 2].max() == pytest.approx(109 * 107 / 40)


def test_scenes_are_zoomed_and_moved() -> None:
    boxes = torch.tensor([[100.0, 80, 40, 20]]).double()
    plain, zoomed = (scene_around(boxes, np.array([40.0, 20.0]), IMAGE, 107, zoom=zoom) for zoom in (1.0, 1.21))
    np.testing.assert_allclose(zoomed.scale, 1.21 * plain.scale)
    np.testing.assert_allclose(zoomed.box, plain.box)
    moved = scene_around(boxes, np.array([40.0, 20.0]), IMAGE, 107, shift=(-4.0, 0.0))
    np.testing.assert_allclose(moved.box - plain.box, [-4, 0, 0, 0])


def test_whole_multiples_keep_the_scale() -> None:
    plain = scene_of(np.array([10.0, 20.0]), np.array([50.0, 70.0]), np.array([25.0, 25.0]), 72)
    padded = scene_of(np.array([10.0, 20.0]), np.array([50.0, 70.0]), np.array([25.0, 25.0]), 72, multiple=16)
    assert (plain.size, padded.size) == ((144, 201), (144, 208))
    np.testing.assert_allclose(padded.box, [10, 20, 50, 70 * 208 / 201])
    np.testing.assert_allclose(plain.box[2:] / plain.size, padded.box[2:] / padded.size)


@pytest.mark.parametrize("target", [(1.0, 100.0), (300.0, 5.0), (5.0, 5.0), (320.0, 240.0)])
def test_size_is_bounded(target: tuple[float, float]) -> None:
    boxes = torch.tensor([[-50.0, -50, 420, 340], [10, 10, 5, 5]]).double()
    scene = scene_around(boxes, np.array(target), IMAGE, 107, multiple=16)
    assert all(107 <= side <= LARGEST_SCENE for side in scene.size)


def test_boxes_beside_the_image_give_a_scene() -> None:
    for x in (-500.0, 900.0):
        scene = scene_around(torch.tensor([[x, x, 20, 20]]).double(), np.array([20.0, 20.0]), IMAGE, 107)
        assert (scene.box[2:] > 0).all()
        assert isinstance(scene, Scene)
