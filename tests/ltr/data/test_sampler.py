from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from ltr.common.errors import InputError
from ltr.data.collate import stack_sequences
from ltr.data.processing import DiMPProcessing, Frames
from ltr.data.sampler import BadSampleWarning, DiMPSampler, choose_causal_frames
from ltr.dataset.base import Track, TrackDataset


class NumberedFrames(TrackDataset):
    """Each frame's pixels are its number."""

    def __init__(self, name: str, visible: list[list[bool]], is_video: bool = True, bad: Sequence[int] = ()) -> None:
        self.name = name
        self.visible = [np.array(flags) for flags in visible]
        self.is_video = is_video
        self.bad = bad

    def __len__(self) -> int:
        return len(self.visible)

    def track_name(self, index: int) -> str:
        return f"{self.name}/{index}"

    def track(self, index: int) -> Track:
        visible = self.visible[index]
        return Track(boxes=np.tile([20.0, 20.0, 20.0, 20.0], (len(visible), 1)), visible=visible)

    def read_frames(self, index: int, frames: Sequence[int]) -> list[np.ndarray]:
        if index in self.bad:
            raise InputError(f"image {index} is cut off")
        return [np.full((60, 60, 3), frame, np.uint8) for frame in frames]


def numbers(frames: Frames, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Processing that keeps the frames' numbers and a random number."""
    return {
        "train": torch.tensor([int(image[0, 0, 0]) for image in frames.train_images]),
        "test": torch.tensor([int(image[0, 0, 0]) for image in frames.test_images]),
        "noise": torch.tensor(rng.random()),
    }


def sampler(*datasets: TrackDataset, num_samples: int = 40, **options) -> DiMPSampler:
    return DiMPSampler(datasets, num_samples=num_samples, **({"processing": numbers} | options))


def video(length: int = 100) -> NumberedFrames:
    return NumberedFrames("video", [[True] * length])


@given(st.lists(st.booleans(), min_size=6, max_size=120), st.integers(0, 40), st.integers(0, 2**32))
def test_causal_frames(flags, max_gap, seed):
    visible = np.array(flags)
    if visible.sum() < 6:
        with pytest.raises(ValueError, match="at least 6 visible frames"):
            choose_causal_frames(visible, 3, 3, max_gap, np.random.default_rng(seed))
        return
    train, test = choose_causal_frames(visible, 3, 3, max_gap, np.random.default_rng(seed))
    assert len(set(train)) == len(set(test)) == 3
    assert visible[train + test].all()
    base = train[0]
    assert max(train) == base < min(test)
    # The gap that was needed is not more than one growth beyond what lets enough frames in.
    seen = np.flatnonzero(visible)
    order = int(np.flatnonzero(seen == base)[0])
    enough = max(base - seen[order - 2], seen[order + 3] - base)
    assert max(base - min(train), max(test) - base) < max(max_gap + 1, enough + 5)


def test_gap_grows_by_five():
    visible = np.zeros(60, bool)
    visible[[0, 20, 40]] = True  # base 20, the others at 20 frames: 3 growths of the gap of 5
    assert choose_causal_frames(visible, 2, 1, 5, np.random.default_rng(0)) == ([20, 0], [40])
    visible[25] = True
    chosen = {tuple(choose_causal_frames(visible, 2, 1, 5, np.random.default_rng(seed))[1]) for seed in range(20)}
    assert chosen == {(25,), (40,)}  # base 20 and base 25: no frame within the gap of it is passed over


def test_short_and_hidden_tracks_are_passed_over():
    hidden = [True] * 12 + [False] * 30  # 12 visible frames are not more than 2 * (3 + 3)
    dataset = NumberedFrames("mixed", [[True] * 19, hidden, [True] * 20])
    items = sampler(dataset)
    assert max(int(item["test"].max()) for item in items) == 19
    assert all(int(item["num_bad"]) == 0 for item in items)
    with pytest.raises(InputError, match="tracks of short in a row have too few frames"):
        sampler(NumberedFrames("short", [[True] * 19]))[0]


def test_stills_repeat_their_image():
    item = sampler(NumberedFrames("stills", [[True]], is_video=False))[0]
    assert item["train"].tolist() == item["test"].tolist() == [0, 0, 0]


def test_weights():
    first, second = video(), NumberedFrames("second", [[True]], is_video=False)
    items = sampler(first, second, num_samples=600, weights=[0.25, 0.75])
    stills = sum(int(item["train"].sum() + item["test"].sum()) == 0 for item in items)
    assert 400 < stills < 500  # 450 expected, deviation 10.6
    with pytest.raises(ValueError, match="a weight for each data set"):
        sampler(first, weights=[1, 2])


def test_item_depends_on_seed_epoch_and_number_alone():
    items = sampler(video())
    first = [item["noise"].item() for item in items]
    assert len(set(first)) == len(first)
    assert [items[i]["noise"].item() for i in reversed(range(40))] == first[::-1]
    items.set_epoch(1)
    second = [item["noise"].item() for item in items]
    assert not set(first) & set(second)
    items.set_epoch(0)
    assert [item["noise"].item() for item in items] == first
    assert [item["noise"].item() for item in sampler(video(), seed=1)] != first
    with pytest.raises(IndexError):
        items[40]


@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_workers_make_the_same_batches(num_workers):
    items = sampler(video(), num_samples=12, processing=DiMPProcessing(output_size=64, feature_size=4))
    loader = DataLoader(
        items,
        4,
        collate_fn=stack_sequences,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )
    for epoch in (0, 1):
        items.set_epoch(epoch)
        batches = list(loader)
        assert len(batches) == 3
        for number, batch in enumerate(batches):
            assert batch["train_images"].shape == (3, 4, 3, 64, 64)
            assert batch["num_bad"].shape == (4,)
            expected = stack_sequences([items[4 * number + i] for i in range(4)])
            for key, value in expected.items():
                torch.testing.assert_close(batch[key], value, rtol=0, atol=0)


def test_bad_samples_are_counted_and_replaced():
    dataset = NumberedFrames("half", [[True] * 30] * 4, bad=[0, 2])
    items = sampler(dataset, num_samples=200)
    with pytest.warns(BadSampleWarning, match=r"another sample replaces half/(0|2): image \d is cut off") as caught:
        bad = Counter(int(item["num_bad"]) for item in items)
    assert len(caught) == 3  # the first few are described
    assert 70 < bad[0] < 130  # half of the draws succeed at once
    assert [int(items[i]["num_bad"]) for i in range(20)] == [int(items[i]["num_bad"]) for i in range(20)]


def test_nothing_but_bad_samples():
    items = sampler(NumberedFrames("broken", [[True] * 30], bad=[0]))
    with (
        pytest.warns(BadSampleWarning),
        pytest.raises(InputError, match="50 samples in a row could not be read, the last one was broken/0: image 0"),
    ):
        items[0]


def test_name_of_an_item():
    items = sampler(video(), NumberedFrames("other", [[True] * 30]))
    for index in (0, 5):
        item = items[index]
        name = items.sample_name(index)
        train, test = item["train"].tolist(), item["test"].tolist()
        assert name.endswith(f"train frames {train}, test frames {test}, counted from 0")
        assert name.startswith(("video/0", "other/0"))
