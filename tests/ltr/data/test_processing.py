import numpy as np
import pytest
import torch

from ltr.common.boxes import overlap
from ltr.common.errors import InputError
from ltr.data.processing import DiMPProcessing, Frames, Jitter, SearchArea, brighter, to_gray
from pytracking.tracker.dimp.state import box_from_crop


def painted(box: list[int], size: tuple[int, int] = (240, 320)) -> np.ndarray:
    """Black image with a white box."""
    x, y, w, h = box
    image = np.zeros((*size, 3), np.uint8)
    image[y : y + h, x : x + w] = 255
    return image


def center_of_mass(image: np.ndarray) -> np.ndarray:
    """x, y, counting pixel centers from 0."""
    weight = image[..., 0].astype(float)
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("around", [(150, 100, 30, 50), (141.3, 88.8, 37.5, 61.7), (170, 120, 20, 20)])
def test_painted_box_lands_where_the_box_says(around, flip):
    box = [150, 100, 30, 50]
    area = SearchArea.around(np.array(around, float), 5, 288, flip)
    crop, inside = area.crop(painted(box)), area.box_in_crop(np.array(box, float))
    # Bilinear resampling keeps the center of a blob; its 8 bit values and 1/32 pixel positions do not quite.
    np.testing.assert_allclose(center_of_mass(crop), inside[:2] + inside[2:] / 2, atol=0.1)
    extent = (crop[..., 0] / 255).sum()
    assert extent == pytest.approx(inside[2:].prod(), rel=0.03)


def test_scale_and_center_of_a_search_area():
    area = SearchArea.around(np.array([100.0, 50.0, 40.0, 90.0]), 5, 288)  # side 5 * 60
    assert area.side == 300
    np.testing.assert_allclose(area.corner, [120 - 150, 95 - 150])
    inside = area.box_in_crop(np.array([100.0, 50.0, 40.0, 90.0]))
    np.testing.assert_allclose(inside[2:], [38.4, 86.4])
    np.testing.assert_allclose(inside[:2] + inside[2:] / 2, 143.5)


def test_tracker_turns_boxes_back():
    box = np.array([100.0, 50.0, 40.0, 90.0])
    area = SearchArea.around(np.array([90.0, 60.0, 50.0, 50.0]), 5, 288)
    middle = area.corner + area.side / 2 - 0.5  # of the crop, counting pixel centers, x and y
    inside = torch.from_numpy(area.box_in_crop(box))
    pos, size = box_from_crop(inside, middle[::-1], 1 / area.scale, (288, 288))
    np.testing.assert_allclose(pos, [50 + 89 / 2, 100 + 39 / 2], rtol=1e-12)  # center of pixels 50..139 and 100..139
    np.testing.assert_allclose(size, [90, 40], rtol=1e-12)


def test_border_is_repeated():
    image = np.zeros((50, 50, 3), np.uint8)
    image[:, 0] = 200
    image[0] = 100
    crop = SearchArea(np.array([-30.0, 20.0]), 20, 40).crop(image)  # wholly left of the image
    assert (crop == 200).all()
    crop = SearchArea(np.array([10.0, -100.0]), 20, 40).crop(image)
    assert (crop == 100).all()


def test_resampling_of_whole_pixels_is_exact():
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    crop = SearchArea(np.array([10.0, 5.0]), 32, 32).crop(image)
    np.testing.assert_array_equal(crop, image[5:37, 10:42])
    flipped = SearchArea(np.array([10.0, 5.0]), 32, 32, flip=True).crop(image)
    np.testing.assert_array_equal(flipped, image[5:37, 10:42][:, ::-1])


def test_target_without_area():
    with pytest.raises(InputError, match="at least one pixel"):
        SearchArea.around(np.array([10.0, 10.0, 0.0, 5.0]), 5, 288)


def test_colors():
    image = np.array([[[250, 100, 3]]], np.uint8)
    np.testing.assert_array_equal(brighter(image, 1.2), [[[255, 120, 4]]])
    np.testing.assert_array_equal(brighter(image, 0.8), [[[200, 80, 2]]])
    assert len(np.unique(to_gray(image))) == 1


def frames(num: int = 3) -> Frames:
    boxes = np.array([[100 + 5 * i, 80, 30, 50] for i in range(2 * num)], float)
    images = [painted(box.astype(int).tolist()) for box in boxes]
    return Frames(images[:num], boxes[:num], images[num:], boxes[num:])


def test_sample():
    processing = DiMPProcessing()
    assert processing.label_sigma == pytest.approx(0.9)
    sample = processing(frames(), np.random.default_rng(0))
    shapes = {key: (tuple(value.shape), value.dtype) for key, value in sample.items()}
    assert shapes == {
        "train_images": ((3, 3, 288, 288), torch.uint8),
        "test_images": ((3, 3, 288, 288), torch.uint8),
        "train_boxes": ((3, 4), torch.float32),
        "test_boxes": ((3, 4), torch.float32),
        "test_labels": ((3, 19, 19), torch.float32),
        "proposals": ((3, 8, 4), torch.float32),
        "proposal_iou": ((3, 8), torch.float32),
    }
    iou = overlap(sample["proposals"].double().numpy(), sample["test_boxes"].double().numpy()[:, None])
    np.testing.assert_allclose(sample["proposal_iou"], 2 * iou - 1, atol=1e-5)  # boxes of a hundred, rounded to float32
    centers = (sample["test_boxes"][:, :2] + sample["test_boxes"][:, 2:] / 2) / 16
    for label, center in zip(sample["test_labels"], centers, strict=True):
        peak = np.unravel_index(int(label.argmax()), label.shape)
        assert peak == (round(float(center[1])), round(float(center[0])))
    for image, box in zip(sample["train_images"], sample["train_boxes"], strict=True):
        np.testing.assert_allclose(center_of_mass(image.permute(1, 2, 0).numpy()), box[:2] + box[2:] / 2, atol=0.3)


def test_gray_and_flip_are_shared_by_the_frames():
    colored = frames()
    for image in colored.train_images + colored.test_images:
        image[..., 1] = 40
    plain = DiMPProcessing(
        train_jitter=Jitter(center=0, scale=0), test_jitter=Jitter(center=0, scale=0), brightness_jitter=0
    )
    seen = set()
    for seed in range(12):
        both = DiMPProcessing(gray_probability=0.5, flip_probability=0.5)
        sample = both(colored, np.random.default_rng(seed))
        images = torch.cat((sample["train_images"], sample["test_images"]))
        gray = {bool((image[0] == image[1]).all()) for image in images}
        assert len(gray) == 1
        seen |= gray
    assert seen == {True, False}
    sample = plain(colored, np.random.default_rng(0))
    np.testing.assert_allclose(sample["train_boxes"][:, :2] + sample["train_boxes"][:, 2:] / 2, 143.5)
    mirrored = DiMPProcessing(flip_probability=1.0, brightness_jitter=0, test_jitter=Jitter(center=2, scale=0.2))
    flipped = mirrored(colored, np.random.default_rng(3))  # of moderate jitter: the whole target is in the crop
    for image, box in zip(flipped["test_images"], flipped["test_boxes"], strict=True):
        np.testing.assert_allclose(center_of_mass(image.permute(1, 2, 0).numpy()), box[:2] + box[2:] / 2, atol=0.3)


@pytest.mark.parametrize(
    ("corner", "side", "expected_corner", "expected_side"),
    [
        ((50, 60), 100, (50, 60), 100),  # inside already
        ((-30, 60), 100, (0, 60), 100),  # moved
        ((250, 200), 100, (220, 140), 100),
        ((-20, -40), 300, (0, -30), 300),  # higher than the image: in its middle there
        ((-40, -80), 400, (0, -40), 320),  # shrunk to the longer side
        ((-200, -200), 600, (-40, -80), 400),  # by 1.5 at most
    ],
)
def test_search_areas_inside_the_image(corner, side, expected_corner, expected_side):
    area = SearchArea(np.array(corner, float), side, 288, flip=True).inside((240, 320), 1.5)
    np.testing.assert_allclose(area.corner, expected_corner)
    assert (area.side, area.output_size, area.flip) == (expected_side, 288, True)


def test_sample_with_densities():
    processing = DiMPProcessing(density_sigma=0.05, num_proposals=16, max_scale_change=1.5, frame_flip_probability=0.5)
    sample = processing(frames(), np.random.default_rng(0))
    for name in ("proposal_density", "target_density", "proposal_iou"):
        assert tuple(sample[name].shape) == (3, 16)
    assert (sample["proposal_density"] > 0).all()
    assert (sample["target_density"] <= 2.001 * sample["proposal_density"]).all()  # it is half of the mixture
    iou = overlap(sample["proposals"].double().numpy(), sample["test_boxes"].double().numpy()[:, None])
    np.testing.assert_allclose(sample["proposal_iou"], 2 * iou - 1, atol=1e-5)
    for image, box in zip(sample["train_images"], sample["train_boxes"], strict=True):
        np.testing.assert_allclose(center_of_mass(image.permute(1, 2, 0).numpy()), box[:2] + box[2:] / 2, atol=0.3)


def test_frames_flip_on_their_own():
    """The same frame six times: some of its crops are the mirror image of the others."""
    image, box = frames().train_images[0], frames().train_boxes[0]
    image[:, :120] //= 2  # the left side is darker
    still = Jitter(center=0, scale=0)
    processing = DiMPProcessing(
        frame_flip_probability=0.5, train_jitter=still, test_jitter=still, brightness_jitter=0, gray_probability=0
    )
    sample = processing(
        Frames([image] * 3, np.stack([box] * 3), [image] * 3, np.stack([box] * 3)), np.random.default_rng(0)
    )
    crops = torch.cat((sample["train_images"], sample["test_images"]))
    mirrored = {bool(torch.equal(crop, crops[0])) for crop in crops}
    assert mirrored == {True, False}
    assert all(torch.equal(crop, crops[0]) or torch.equal(crop, crops[0].flip(-1)) for crop in crops)
