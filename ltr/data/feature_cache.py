"""Training on stored backbone features: a frozen backbone sees every crop once, the heads see its features often.

A cache is a folder with one file of float16 features for each layer, `crops.npz` with the crops' boxes and
`cache.json` with what it was made from. Crops are drawn with the jitter of a search area, and half of them mirrored.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ltr.common.fingerprints import files_fingerprint
from ltr.common.types import Array, Image
from ltr.data.boxes import jittered_box, propose_boxes
from ltr.data.collate import Sample, stack_sequences
from ltr.data.labels import gaussian_labels
from ltr.data.processing import SearchArea, brighter, to_gray
from ltr.dataset.base import FileTrackDataset, TrackDataset
from ltr.inference import prepare

FORMAT = 1  # raised when features or their files change
_BATCH = 16  # crops the backbone sees at once
_RECORD = "cache.json"
_GAP_GROWTH = 10  # frames

Report = Callable[[int, int], None]  # tracks done, tracks in all


@dataclass(frozen=True, kw_only=True)
class CropOptions:
    """How crops are drawn from the frames of a track."""

    crops_per_track: int = 6
    search_area_factor: float = 4.5
    output_size: int = 288
    center_jitter: float = 2.5  # in the side of the square of the target's area, both directions together
    scale_jitter: float = 0.2  # standard deviation of the logarithm of each side
    flip_share: float = 0.5
    gray_share: float = 0.1
    blur_share: float = 0.1
    brightness_jitter: float = 0.25
    seed: int = 0


class FeatureCache:
    """Features of the crops of one data set, mapped into memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record: dict[str, Any] = json.loads((folder / _RECORD).read_text())
        with np.load(folder / "crops.npz") as crops:
            self.boxes: Array = crops["boxes"]  # (n, 4) in crop pixels
            self.frames: Array = crops["frames"]  # (n,)
            self.views: Array = crops["views"]  # (n,) equal for crops of one track that are mirrored alike
        self.layers = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in self.record["layers"]}
        order = np.argsort(self.views, kind="stable")
        starts = np.flatnonzero(np.diff(self.views[order], prepend=-1))
        self.crops_of_view = np.split(order, starts[1:]) if len(order) else []

    def __len__(self) -> int:
        return len(self.boxes)

    def features(self, crops: Array) -> dict[str, Tensor]:  # (n,) -> (n, C, h, w) float16 of each layer
        return {name: torch.from_numpy(np.ascontiguousarray(layer[crops])) for name, layer in self.layers.items()}


def cached_features(
    folder: Path,
    dataset: TrackDataset,
    network: Any,  # a Backbone: its image_mean and image_std, its layers by name
    layers: Sequence[str],
    options: CropOptions,
    report: Report | None = None,
) -> FeatureCache:
    """The cache of a data set below `folder`, which is made where it is not there yet.

    Another data set, network or option has a folder of its own. The network is used as `prepare` makes it.
    """
    record = {
        "format": FORMAT,
        "dataset": _describe(dataset),
        "layers": list(layers),
        "options": asdict(options),
        "network": type(network).__name__,
        "weights": _digest(b"".join(t.cpu().numpy().tobytes() for t in network.state_dict().values())),
    }
    place = folder / f"{dataset.name}-{_digest(json.dumps(record, sort_keys=True).encode())[:12]}"
    if not (place / _RECORD).is_file():
        temporary = place.with_name(f".{place.name}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            counts = _write_cache(temporary, dataset, network, layers, options, report)
            (temporary / _RECORD).write_text(json.dumps({**record, **counts}, indent=1))
            temporary.rename(place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return FeatureCache(place)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _describe(dataset: TrackDataset) -> dict[str, Any]:
    """What identifies a data set: what it says itself, else the names, boxes and image files of its tracks."""
    if hasattr(dataset, "describe"):
        described: dict[str, Any] = dataset.describe()
        return described
    names = [dataset.track_name(index) for index in range(len(dataset))]
    tracks = [dataset.track(index) for index in range(len(dataset))]
    boxes = b"".join(track.boxes.tobytes() + track.visible.tobytes() for track in tracks)
    described = {"name": dataset.name, "tracks": names, "boxes": _digest(boxes)}
    if isinstance(dataset, FileTrackDataset):
        files = [[dataset.frame_path(i, frame) for frame in range(len(track))] for i, track in enumerate(tracks)]
        described["images"] = [files_fingerprint(frames) for frames in files]
    return described


def _write_cache(
    folder: Path,
    dataset: TrackDataset,
    network: Any,
    layers: Sequence[str],
    options: CropOptions,
    report: Report | None,
) -> dict[str, int]:
    boxes: list[Array] = []
    frames: list[int] = []
    views: list[int] = []
    with _FeatureWriter(folder, network, layers) as writer:
        for index in range(len(dataset)):
            for crop, box, frame, flip in draw_crops(dataset, index, options):
                writer.add(crop)
                boxes.append(box)
                frames.append(frame)
                views.append(2 * index + int(flip))
            if report is not None:
                report(index + 1, len(dataset))
    np.savez(folder / "crops.npz", boxes=np.array(boxes, np.float32), frames=np.array(frames), views=np.array(views))
    return {"crops": len(boxes), "tracks": len({view // 2 for view in views})}


def draw_crops(
    dataset: TrackDataset, index: int, options: CropOptions
) -> Iterator[tuple[Image, Array, int, bool]]:  # crop, box in it, frame, mirrored
    """Crops of a track; which ones depends on the options, their seed and the track's number alone."""
    rng = np.random.default_rng((options.seed, index))
    track = dataset.track(index)
    visible = np.flatnonzero(track.visible)
    if len(visible) == 0:
        return
    rounds = -(-options.crops_per_track // len(visible))
    drawn = np.concatenate([rng.permutation(visible) for _ in range(rounds)])[: options.crops_per_track]
    mirrored = rng.random(len(drawn)) < options.flip_share
    if len(drawn) < 2 * len(visible):  # too few to share between two views
        mirrored[:] = mirrored[0]
    for frame in np.unique(drawn):
        image = dataset.read_frames(index, [int(frame)])[0]
        for flip in mirrored[drawn == frame]:
            box = track.boxes[frame]
            around = jittered_box(box, options.center_jitter, options.scale_jitter, rng)
            area = SearchArea.around(around, options.search_area_factor, options.output_size, bool(flip))
            yield _augmented(area.crop(image), options, rng), area.box_in_crop(box), int(frame), bool(flip)


def _augmented(crop: Image, options: CropOptions, rng: np.random.Generator) -> Image:
    gray, blur, sigma, noise = rng.random(4)
    crop = brighter(crop, 1 + options.brightness_jitter * (2 * noise - 1))
    if gray < options.gray_share:
        crop = to_gray(crop)
    if blur < options.blur_share:
        crop = cv2.GaussianBlur(crop, (0, 0), 0.5 + 1.5 * sigma)  # type: ignore[assignment]
    return crop


class _FeatureWriter:
    """Collects crops and appends the backbone's features of them to one .npy file for each layer."""

    def __init__(self, folder: Path, network: Any, layers: Sequence[str]) -> None:
        self.folder, self.layers = folder, list(layers)
        self.mean, self.std = (torch.tensor(v).view(3, 1, 1) for v in (network.image_mean, network.image_std))
        self.network: nn.Module = prepare(network.eval())
        self.waiting: list[Image] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.count = 0

    def __enter__(self) -> "_FeatureWriter":
        self.files = {name: (self.folder / f"{name}.raw").open("wb") for name in self.layers}
        return self

    def add(self, crop: Image) -> None:
        self.waiting.append(crop)
        if len(self.waiting) == _BATCH:
            self._flush()

    @torch.no_grad()
    def _flush(self) -> None:
        if not self.waiting:
            return
        images = torch.from_numpy(np.stack(self.waiting)).permute(0, 3, 1, 2).float()
        features = self.network((images / 255 - self.mean) / self.std, self.layers)
        for name, file in self.files.items():
            stored = features[name].half().contiguous().numpy()
            self.shapes[name] = stored.shape[1:]
            file.write(stored.tobytes())
        self.count += len(self.waiting)
        self.waiting.clear()

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self._flush()
        for file in self.files.values():
            file.close()
        if kind is None:
            for name in self.layers:
                self._finish(name)

    def _finish(self, name: str) -> None:
        """Put the header of the .npy format, which names the number of crops, before what was written."""
        raw = self.folder / f"{name}.raw"
        shape = (self.count, *self.shapes.get(name, ()))
        with (self.folder / f"{name}.npy").open("wb") as file:
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            with raw.open("rb") as source:
                shutil.copyfileobj(source, file, 1 << 24)
        raw.unlink()


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """What a training sample is made of."""

    num_train_frames: int = 3
    num_test_frames: int = 3
    max_gap: int = 60  # frames between the first and the other crops, as far as there are enough
    num_proposals: int = 8
    min_proposal_iou: float = 0.1
    label_sigma: float = 1.0  # cells


class CachedSamples(Dataset[dict[str, Any]]):
    """Samples of DiMP's training with `train_features` and `test_features` (layer -> (I, C, h, w)) for images.

    Item i of an epoch is a function of (seed, epoch, i). With `repeat` every epoch has the same items, as a validation
    wants them.
    """

    def __init__(
        self,
        caches: Sequence[FeatureCache],
        weights: Sequence[float],  # how often each cache is drawn from
        *,
        num_samples: int,
        options: SampleOptions,
        seed: int = 0,
        repeat: bool = False,
    ) -> None:
        """Raises ValueError where a cache has no track with enough crops."""
        self.caches, self.options, self.num_samples, self.seed, self.repeat = caches, options, num_samples, seed, repeat
        self.shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
        wanted = options.num_train_frames + options.num_test_frames
        self.views = [[crops for crops in cache.crops_of_view if len(crops) >= wanted] for cache in caches]
        for cache, views in zip(caches, self.views, strict=True):
            if not views:
                raise ValueError(f"{cache.folder}: expected tracks with {wanted} crops, found none")
        # Shared memory: workers that outlive an epoch see the next one.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the items of another epoch."""
        if not self.repeat:
            self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < self.num_samples:
            raise IndexError(f"expected an item below {self.num_samples}, found {index}")
        rng = np.random.default_rng((self.seed, int(self._epoch), index))
        number = int(rng.choice(len(self.caches), p=self.shares))
        cache, views = self.caches[number], self.views[number]
        crops = self._choose(cache, views[int(rng.integers(len(views)))], rng)
        split = self.options.num_train_frames
        return self._sample(cache, crops[:split], crops[split:], rng)

    def _choose(self, cache: FeatureCache, view: Array, rng: np.random.Generator) -> Array:
        wanted = self.options.num_train_frames + self.options.num_test_frames
        distance = np.abs(cache.frames[view] - cache.frames[rng.choice(view)])
        gap = self.options.max_gap
        while (near := view[distance <= gap]).size < wanted:
            gap += _GAP_GROWTH
        chosen: Array = rng.choice(near, wanted, replace=False)
        return chosen

    def _sample(self, cache: FeatureCache, train: Array, test: Array, rng: np.random.Generator) -> dict[str, Any]:
        options, crop = self.options, cache.record["options"]
        test_boxes = cache.boxes[test].astype(np.float64)
        drawn = [propose_boxes(box, options.num_proposals, options.min_proposal_iou, rng) for box in test_boxes]
        size = crop["output_size"]
        labels = gaussian_labels(test_boxes, options.label_sigma, size // 16, 4, size)
        return {
            "train_features": cache.features(train),
            "test_features": cache.features(test),
            "train_boxes": torch.from_numpy(cache.boxes[train]),
            "test_boxes": torch.from_numpy(cache.boxes[test]),
            "test_labels": torch.from_numpy(labels),
            "proposals": torch.from_numpy(np.stack([boxes for boxes, _ in drawn]).astype(np.float32)),
            "proposal_iou": torch.from_numpy(np.stack([2 * iou - 1 for _, iou in drawn]).astype(np.float32)),
            "num_bad": torch.tensor(0),
        }


def stack_cached(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`stack_sequences` for samples with features: each layer (I, C, h, w) becomes (I, B, C, h, w)."""
    nested = [key for key, value in samples[0].items() if isinstance(value, dict)]
    flat: list[Sample] = [{key: value for key, value in s.items() if key not in nested} for s in samples]
    return {**stack_sequences(flat), **{key: stack_sequences([s[key] for s in samples]) for key in nested}}
