from itertools import chain

import numpy as np
import pytest
import torch

from ltr.common.boxes import overlap
from ltr.common.errors import InputError
from ltr.data.collate import join_domains
from ltr.data.mdnet_sampling import MDNetOptions, MDNetSampler, crop_scene, mdnet_sample
from ltr.data.sampler import BadSampleWarning
from ltr.data.sampling_options import gaussian
from ltr.data.scene import crop, scene_of
from ltr.dataset.base import Track, TrackDataset

SMALL = MDNetOptions(num_frames=4, num_positive=5, num_negative=9, target_size=24)


class PaintedTarget(TrackDataset):
    """Black frames with a white target whose place depends on track and frame."""

    def __init__(self, name: str, lengths: list[int], bad: tuple[int, ...] = ()) -> None:
        self.name, self.lengths, self.bad = name, lengths, bad

    def __len__(self) -> int:
        return len(self.lengths)

    def track_name(self, index: int) -> str:
        return f"{self.name}/{index}"

    def track(self, index: int) -> Track:
        length = self.lengths[index]
        boxes = np.array([[30 + 2 * i, 40, 30, 24] for i in range(length)], float)
        return Track(boxes=boxes, visible=np.ones(length, bool))

    def read_frames(self, index, frames):
        if index in self.bad:
            raise InputError("image is cut off")
        return [self.paint(frame) for frame in frames]

    def paint(self, frame: int) -> np.ndarray:
        image = np.zeros((120, 160, 3), np.uint8)
        image[40:64, 30 + 2 * frame : 60 + 2 * frame] = 255
        return image


def without_padding(roi: torch.Tensor) -> torch.Tensor:
    """Box (x1, y1, x2, y2) whose sides were moved out by a tenth of its size."""
    margin = (roi[2:] - roi[:2]) / 12
    return torch.cat((roi[:2] + margin, roi[2:] - margin))


def test_boxes_overlap_as_their_labels_say():
    dataset = PaintedTarget("a", [10])
    images, targets = dataset.read_frames(0, [0, 3, 6]), dataset.track(0).boxes[[0, 3, 6]]
    sample = mdnet_sample(images, targets, MDNetOptions(), np.random.default_rng(0))
    assert sample["images"].dtype == torch.uint8
    assert torch.bincount(sample["rois"][:, 0].long(), weights=sample["labels"].float()).tolist() == [32] * 3
    assert torch.bincount(sample["rois"][:, 0].long()).tolist() == [128] * 3
    for roi, label in zip(sample["rois"], sample["labels"], strict=True):
        # The share of white pixels tells the overlap: of the box, and of the target that lies in the box.
        image = sample["images"][int(roi[0]), 0].float() / 255
        x1, y1, x2, y2 = without_padding(roi[1:]).round().int().clamp_min(0).tolist()
        shared = float(image[y1:y2, x1:x2].sum())
        box_area = float((without_padding(roi[1:])[2:] - without_padding(roi[1:])[:2]).prod())
        iou = shared / (box_area + float(image.sum()) - shared)
        # RT-MDNet's crops are spaced (size + 1) / (n - 1): they show everything up to 2 % smaller than the rois say.
        assert iou > 0.6 if label else iou < 0.57


def test_scene_is_that_of_the_tracker():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    for corner in (np.array([10.0, 20.0]), np.array([-15.3, -4.2]), np.array([60.0, 40.0])):
        scene = scene_of(corner, np.array([50.0, 45.0]), np.array([20.0, 15.0]), 40)
        ours = crop_scene(image, scene).astype(float)
        theirs = crop(image, scene.box[None], scene.size)[0].permute(1, 2, 0).numpy()
        # Within a pixel of the border one fades to 0 and the other breaks off; positions are rounded to 1/32 pixel,
        # which is up to 4 levels where the values differ by 255 along both axes; and the values to whole numbers.
        x = scene.box[0] + np.arange(scene.size[0]) * (scene.box[2] + 1) / (scene.size[0] - 1)
        y = scene.box[1] + np.arange(scene.size[1]) * (scene.box[3] + 1) / (scene.size[1] - 1)
        apart = (np.abs(x + 0.5) > 0.51)[None, :] & (np.abs(y + 0.5) > 0.51)[:, None]
        apart &= (np.abs(x - 119.5) > 0.51)[None, :] & (np.abs(y - 89.5) > 0.51)[:, None]
        assert np.abs(ours - theirs)[apart].max() < 10
        assert np.abs(ours - theirs)[apart].mean() < 1


def test_target_outside_of_the_image():
    image = np.zeros((60, 80, 3), np.uint8)
    outside = np.array([[-300.0, -300.0, 10.0, 10.0]])
    with pytest.raises(InputError, match="no box overlaps the target"):
        mdnet_sample([image], outside, SMALL, np.random.default_rng(0))
    both = np.concatenate((outside, [[20.0, 20, 15, 15]]))
    sample = mdnet_sample([image, image], both, SMALL, np.random.default_rng(0))
    assert sample["images"].shape[0] == 2
    assert set(sample["rois"][:, 0].tolist()) == {1.0}


def test_every_domain_comes_once_a_cycle():
    first, second = PaintedTarget("a", [10, 10, 10]), PaintedTarget("b", [10, 10])
    sampler = MDNetSampler([first, second], options=SMALL)
    assert sampler.num_domains == len(sampler) == 5
    cycles = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        items = list(sampler)
        assert all(item["domain"].unique().numel() == 1 for item in items)
        cycles.append([int(item["domain"][0]) for item in items])
    assert all(sorted(cycle) == [0, 1, 2, 3, 4] for cycle in cycles)
    assert len({tuple(cycle) for cycle in cycles}) > 1
    longer = MDNetSampler([first, second], num_samples=15, options=SMALL)
    assert [int(item["domain"][0]) for item in longer] == list(chain(*cycles))  # the same turns


def test_item_depends_on_seed_epoch_and_number_alone():
    sampler = MDNetSampler([PaintedTarget("a", [10, 12])], num_samples=4, options=SMALL)
    for key, value in sampler[2].items():
        torch.testing.assert_close(sampler[2][key], value, rtol=0, atol=0)
    assert not torch.equal(sampler[2]["rois"], sampler[3]["rois"])


def test_unusable_domains_are_replaced():
    sampler = MDNetSampler([PaintedTarget("a", [10, 3, 10], bad=(2,))], options=SMALL)
    with pytest.warns(BadSampleWarning, match="a/2: image is cut off"):
        items = list(sampler)
    assert [int(item["domain"][0]) for item in items] == [0, 0, 0]
    assert sum(int(item["num_bad"]) for item in items) >= 1
    with pytest.raises(InputError, match="fewer than 4 visible frames"):
        MDNetSampler([PaintedTarget("a", [3])], options=SMALL)[0]


def test_join_domains():
    sampler = MDNetSampler([PaintedTarget("a", [10, 10])], options=SMALL)
    items = [sampler[0], sampler[1]]
    batch = join_domains(items)
    assert batch["images"].shape[0] == 8
    assert batch["domain"].tolist() == [int(items[0]["domain"][0])] * 4 + [int(items[1]["domain"][0])] * 4
    assert batch["num_bad"].tolist() == [0, 0]
    rows = len(items[0]["rois"])
    torch.testing.assert_close(batch["rois"][rows:, 0], items[1]["rois"][:, 0] + 4)
    torch.testing.assert_close(batch["rois"][rows:, 1:], items[1]["rois"][:, 1:])
    height, width = items[1]["images"].shape[2:]
    assert torch.equal(batch["images"][4:, :, :height, :width], items[1]["images"])
    assert int(batch["images"][4:, :, height:].sum()) == int(batch["images"][4:, :, :, width:].sum()) == 0


def test_options():
    tight = MDNetOptions(num_frames=2, positive_sampling=gaussian(0.02, 1.02, (0.9, 1.0)), zoom_base=1.0)
    dataset = PaintedTarget("a", [10])
    sample = mdnet_sample(dataset.read_frames(0, [0]), dataset.track(0).boxes[:1], tight, np.random.default_rng(0))
    positive = sample["rois"][sample["labels"] == 1][:, 1:]
    boxes = torch.cat((positive[:, :2], positive[:, 2:] - positive[:, :2]), dim=1)
    assert overlap(boxes.numpy(), boxes[:1].numpy()).min() > 0.8
    # 107 pixels for the target's 30 x 24, the padding of a tenth on each side added
    np.testing.assert_allclose(boxes[:, 2:].mean(dim=0), [107 * 1.2] * 2, rtol=0.03)
