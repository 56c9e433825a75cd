from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ltr.data.feature_cache import (
    CachedSamples,
    CropOptions,
    FeatureCache,
    SampleOptions,
    cached_features,
    draw_crops,
    stack_cached,
)
from ltr.dataset.base import Track, TrackDataset
from ltr.dataset.sequences import SequenceTracks

OPTIONS = CropOptions(crops_per_track=20, output_size=32)
LAYERS = ("layer2", "layer3")


class Network(nn.Module):
    """Mean color of blocks of 8 and 16 pixels."""

    image_mean, image_std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

    calls: ClassVar[list[int]] = []  # of the network and its copies

    def __init__(self) -> None:
        super().__init__()
        self.calls.clear()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        self.calls.append(len(images))
        strides = {"layer2": 8, "layer3": 16}
        return {name: nn.functional.avg_pool2d(images, strides[name]) for name in layers}


class Tracks(TrackDataset):
    name = "toy"

    def __init__(self, num_frames: int = 8) -> None:
        self.num_frames = num_frames

    def __len__(self) -> int:
        return 2

    def track_name(self, index: int) -> str:
        return f"toy-{index}"

    def track(self, index: int) -> Track:
        boxes = np.tile(np.array([20.0, 15.0, 12.0, 9.0]), (self.num_frames, 1))
        visible = np.arange(self.num_frames) > 0
        return Track(boxes=boxes, visible=visible)

    def read_frames(self, index: int, frames: Sequence[int]) -> list[np.ndarray]:
        images = []
        for frame in frames:
            image = np.full((48, 64, 3), 40 + 20 * index, np.uint8)
            image[15:24, 20:32] = 100 + 10 * frame
            images.append(image)
        return images


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return cached_features(tmp_path, Tracks(), Network(), LAYERS, OPTIONS)


def test_features_are_those_of_the_drawn_crops(cache: FeatureCache) -> None:
    crops = [crop for index in range(2) for crop in draw_crops(Tracks(), index, OPTIONS)]
    assert len(cache) == len(crops) == 40
    number = 27
    image = torch.from_numpy(crops[number][0]).permute(2, 0, 1)[None].float()
    expected = Network()((image / 255 - 0.5) / 0.5, LAYERS)
    stored = cache.features(np.array([number]))
    for name in LAYERS:
        # float16 keeps 11 bits of values up to 1
        torch.testing.assert_close(stored[name].float(), expected[name], atol=6e-4, rtol=0)
    np.testing.assert_allclose(cache.boxes[number], crops[number][1], atol=1e-4)


def test_box_bounds_the_target_in_its_crop(cache: FeatureCache) -> None:
    for crop, box, frame, _ in draw_crops(
        Tracks(), 0, replace(OPTIONS, gray_share=0, blur_share=0, brightness_jitter=0)
    ):
        center = np.rint(box[:2] + box[2:] / 2).astype(int)
        if (center >= 1).all() and (center < 31).all():
            assert crop[center[1], center[0], 0] == 100 + 10 * frame


def test_invisible_frames_are_not_drawn_and_views_are_of_one_track_and_side(cache: FeatureCache) -> None:
    assert 0 not in cache.frames
    for crops in cache.crops_of_view:
        assert len(set(cache.views[crops])) == 1
    assert sorted(np.concatenate(cache.crops_of_view)) == list(range(40))


def test_cache_is_made_once_and_again_for_other_options(tmp_path: Path) -> None:
    network = Network()
    first = cached_features(tmp_path, Tracks(), network, LAYERS, OPTIONS)
    calls = len(network.calls)
    assert cached_features(tmp_path, Tracks(), network, LAYERS, OPTIONS).folder == first.folder
    assert len(network.calls) == calls
    for tracks, options in ((Tracks(9), OPTIONS), (Tracks(), replace(OPTIONS, seed=1))):
        assert cached_features(tmp_path, tracks, network, LAYERS, options).folder != first.folder


def test_other_images_under_the_same_names_have_a_cache_of_their_own(tmp_path: Path) -> None:
    frames = [tmp_path / f"{number}.bmp" for number in range(8)]
    boxes = np.tile(np.array([20.0, 15.0, 12.0, 9.0]), (8, 1))

    toy = SimpleNamespace(name="toy", ground_truth_rect=boxes, frames=frames)

    def folder(brightness: int) -> Path:
        for frame in frames:
            cv2.imwrite(str(frame), np.full((48, 64, 3), brightness, np.uint8))
        return cached_features(tmp_path / "caches", SequenceTracks("toys", [toy]), Network(), LAYERS, OPTIONS).folder

    first = folder(60)
    assert folder(90) != first
    assert folder(60) == first


def test_failure_leaves_no_cache_behind(tmp_path: Path) -> None:
    class Broken(Tracks):
        def read_frames(self, index: int, frames: Sequence[int]) -> list[np.ndarray]:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        cached_features(tmp_path, Broken(), Network(), LAYERS, OPTIONS)
    assert list(tmp_path.iterdir()) == []


def samples(cache: FeatureCache, **changes: object) -> CachedSamples:
    options = SampleOptions(num_train_frames=2, num_test_frames=1, num_proposals=4)
    return CachedSamples([cache], [1.0], num_samples=6, options=options, **changes)  # type: ignore[arg-type]


def test_sample_is_a_function_of_seed_epoch_and_number(cache: FeatureCache) -> None:
    one, same, other = samples(cache, seed=1), samples(cache, seed=1), samples(cache, seed=2)
    same[0]
    torch.testing.assert_close(one[3]["proposals"], same[3]["proposals"], rtol=0, atol=0)
    assert not torch.equal(one[3]["proposals"], other[3]["proposals"])
    before = one[3]["proposals"]
    one.set_epoch(1)
    assert not torch.equal(one[3]["proposals"], before)
    fixed = samples(cache, seed=1, repeat=True)
    fixed.set_epoch(1)
    torch.testing.assert_close(fixed[3]["proposals"], before, rtol=0, atol=0)


def test_sample_has_the_shapes_of_dimp_training_and_different_crops(cache: FeatureCache) -> None:
    batch = stack_cached([samples(cache)[0], samples(cache)[1], samples(cache)[2]])
    assert batch["train_features"]["layer2"].shape == (2, 3, 3, 4, 4)
    assert batch["test_features"]["layer3"].shape == (1, 3, 3, 2, 2)
    assert batch["train_boxes"].shape == (2, 3, 4)
    assert batch["test_labels"].shape == (1, 3, 3, 3)
    assert batch["proposals"].shape == (1, 3, 4, 4)
    assert batch["proposal_iou"].abs().max() <= 1
    assert batch["num_bad"].tolist() == [0, 0, 0]


def test_too_few_crops_are_refused(tmp_path: Path) -> None:
    cache = cached_features(tmp_path, Tracks(), Network(), LAYERS, replace(OPTIONS, crops_per_track=2))
    with pytest.raises(ValueError, match="expected tracks with 6 crops"):
        CachedSamples([cache], [1.0], num_samples=1, options=SampleOptions())
