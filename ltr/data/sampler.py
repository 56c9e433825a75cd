"""Random draws of frames from data sets of tracks: which item shows what depends on seed, epoch and number alone."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.data.collate import Sample
from ltr.data.processing import Frames
from ltr.dataset.base import Track, TrackDataset

GAP_GROWTH = 5  # frames
MIN_VIDEO_LENGTH = 20  # frames
MAX_BAD = 50  # samples in a row that cannot be read
MAX_UNSUITABLE = 1000  # tracks in a row with too few frames
REPORTED_BAD = 3  # bad samples that each process describes


class BadSampleWarning(UserWarning):
    """An image or an annotation could not be used; another sample took its place."""


class TrackSampler(Dataset[Sample], ABC):
    """Map-style data set: `num_samples` random items an epoch, each made by `_draw` of a subclass.

    An item is a function of (seed, epoch, number): the number of worker processes and the order do not matter. Where
    files cannot be read, another item is drawn and `num_bad` of the sample counts the failures; the first few are
    described by a BadSampleWarning.
    """

    def __init__(
        self,
        datasets: Sequence[TrackDataset],
        weights: Sequence[float] | None = None,  # how often each data set is drawn; default: equally often
        *,
        num_samples: int,
        seed: int = 0,
    ) -> None:
        """Raises ValueError for weights that do not fit the data sets."""
        shares = np.ones(len(datasets)) if weights is None else np.asarray(weights, dtype=np.float64)
        if len(datasets) == 0 or shares.shape != (len(datasets),) or (shares < 0).any() or shares.sum() <= 0:
            raise ValueError(
                f"expected a weight for each data set, found {len(datasets)} data sets and weights {weights}"
            )
        self.datasets = list(datasets)
        self.shares = shares / shares.sum()
        self.num_samples = num_samples
        self.seed = seed
        # Shared memory: workers that outlive an epoch see the next one.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._num_reported = 0
        self._drawn = ""

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the items of another epoch."""
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> Sample:
        """One sample, `num_bad` added. Raises InputError after many failures in a row, IndexError beyond the end."""
        if not 0 <= index < self.num_samples:
            raise IndexError(f"expected an item below {self.num_samples}, found {index}")
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, int(self._epoch), index]))
        for num_bad in range(MAX_BAD):
            try:
                sample = self._draw(index, num_bad, rng)
            except BadSampleError as error:
                self._report(error)
                last = error
                continue
            return sample | {"num_bad": torch.tensor(num_bad)}
        raise InputError(f"{MAX_BAD} samples in a row could not be read, the last one was {last}")

    def sample_name(self, index: int) -> str:
        """Which track and frames an item shows, found by drawing it again."""
        self[index]
        return self._drawn

    @abstractmethod
    def _draw(self, index: int, attempt: int, rng: np.random.Generator) -> Sample:
        """Sample number `index`, drawn for the first time or again; `_drawn` says what it shows.

        Raises BadSampleError for what cannot be read.
        """

    def _report(self, error: "BadSampleError") -> None:
        if self._num_reported < REPORTED_BAD:
            self._num_reported += 1
            warnings.warn(f"another sample replaces {error}", BadSampleWarning, stacklevel=3)


class BadSampleError(Exception):
    """A track's annotation or frames cannot be used."""

    def __init__(self, track_name: str, reason: InputError) -> None:
        super().__init__(f"{track_name}: {reason}")


def read_track(dataset: TrackDataset, number: int) -> Track:
    """Annotation of a track; raises BadSampleError where it cannot be read."""
    try:
        return dataset.track(number)
    except InputError as error:
        raise BadSampleError(dataset.track_name(number), error) from error


class DiMPSampler(TrackSampler):
    """Train frames of one target and, later ones, test frames, as DiMP is trained."""

    def __init__(
        self,
        datasets: Sequence[TrackDataset],
        weights: Sequence[float] | None = None,
        *,
        num_samples: int,
        processing: Callable[[Frames, np.random.Generator], Sample],
        num_train_frames: int = 3,
        num_test_frames: int = 3,
        max_gap: int = 30,  # frames between the base frame and the others, as far as enough are visible
        seed: int = 0,
    ) -> None:
        """See `TrackSampler`."""
        super().__init__(datasets, weights, num_samples=num_samples, seed=seed)
        self.processing = processing
        self.num_train_frames = num_train_frames
        self.num_test_frames = num_test_frames
        self.max_gap = max_gap

    def _draw(self, index: int, attempt: int, rng: np.random.Generator) -> Sample:
        dataset = self.datasets[int(rng.choice(len(self.datasets), p=self.shares))]
        number, track = self._choose_track(dataset, rng)
        train, test = self._choose_frames(dataset, track, rng)
        self._drawn = f"{dataset.track_name(number)}, train frames {train}, test frames {test}, counted from 0"
        try:
            images = dataset.read_frames(number, [*train, *test])
            frames = Frames(images[: len(train)], track.boxes[train], images[len(train) :], track.boxes[test])
            return self.processing(frames, rng)
        except InputError as error:
            raise BadSampleError(dataset.track_name(number), error) from error

    def _choose_track(self, dataset: TrackDataset, rng: np.random.Generator) -> tuple[int, Track]:
        for _ in range(MAX_UNSUITABLE):
            number = int(rng.integers(len(dataset)))
            track = read_track(dataset, number)
            if self._is_suitable(dataset, track):
                return number, track
        raise InputError(f"{MAX_UNSUITABLE} tracks of {dataset.name} in a row have too few frames with the target")

    def _is_suitable(self, dataset: TrackDataset, track: Track) -> bool:
        num_visible = int(track.visible.sum())
        if not dataset.is_video:
            return num_visible > 0
        return len(track) >= MIN_VIDEO_LENGTH and num_visible > 2 * (self.num_train_frames + self.num_test_frames)

    def _choose_frames(
        self, dataset: TrackDataset, track: Track, rng: np.random.Generator
    ) -> tuple[list[int], list[int]]:
        counts = self.num_train_frames, self.num_test_frames
        if not dataset.is_video:
            frame = int(rng.choice(np.flatnonzero(track.visible)))
            return [frame] * counts[0], [frame] * counts[1]
        return choose_causal_frames(track.visible, *counts, self.max_gap, rng)


def choose_causal_frames(
    visible: Array,  # (n,) bool
    num_train: int,
    num_test: int,
    max_gap: int,
    rng: np.random.Generator,
) -> tuple[list[int], list[int]]:
    """Different visible frames: a base frame, train frames before it and test frames after it, within the gap.

    The gap grows until enough frames are visible on both sides, of which the base frame has that many by choice. The
    base frame is the first train frame. Raises ValueError where fewer than num_train + num_test frames are visible.
    """
    numbers = _visible_frames(visible, num_train + num_test)
    order = int(rng.integers(num_train - 1, len(numbers) - num_test))
    base, before, after = int(numbers[order]), numbers[:order], numbers[order + 1 :]
    gap = max_gap
    while True:
        near = before[before >= base - gap], after[after <= base + gap]
        if len(near[0]) >= num_train - 1 and len(near[1]) >= num_test:
            break
        gap += GAP_GROWTH
    train = [base, *rng.choice(near[0], num_train - 1, replace=False).tolist()]
    return train, rng.choice(near[1], num_test, replace=False).tolist()


def _visible_frames(visible: Array, wanted: int) -> Array:
    numbers = np.flatnonzero(visible)
    if len(numbers) < wanted:
        raise ValueError(f"expected at least {wanted} visible frames, found {len(numbers)}")
    return numbers
