"""Training samples of MDNet: in some frames of a video, boxes on the target and boxes beside it.

The scenes are cut out as the tracker does it, so that the network sees the same in training and in tracking.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.common.errors import InputError
from ltr.common.types import Array, Image
from ltr.data.box_sampling import SMALLEST_SIDE, sample_boxes
from ltr.data.collate import Sample
from ltr.data.sampler import MAX_UNSUITABLE, BadSampleError, TrackSampler, read_track
from ltr.data.sampling_options import Sampling, gaussian, uniform
from ltr.data.scene import Scene, rois_in_scene, scene_around
from ltr.dataset.base import Track, TrackDataset


@dataclass(frozen=True, kw_only=True)
class MDNetOptions:
    """Which boxes are drawn, and the scale of the scenes; the defaults are RT-MDNet's."""

    num_frames: int = 8
    num_positive: int = 32  # boxes in each frame
    num_negative: int = 96
    positive_sampling: Sampling = field(default_factory=lambda: gaussian(0.1, 1.2, (0.7, 1.0)))
    negative_sampling: Sampling = field(default_factory=lambda: uniform(1.0, 1.2, 1.1, (0.0, 0.5)))
    zoom_base: float = 1.1  # the scene's scale is multiplied by a random power of it, from -2 to 2
    target_size: int = 107  # scene pixels a side that the target gets
    scene_multiple: int = 1  # of which the scene's sides are multiples


class MDNetSampler(TrackSampler):
    """Each item shows one domain, a track of one of the data sets; every domain comes once before any comes again.

    An item holds images (n, 3, H, W) uint8, rois (R, 5) image number and x1, y1, x2, y2 in scene pixels, labels (R,) 1
    for the target, domain (n,), num_bad. Scenes that are smaller than the largest are filled up with zeros at the right
    and at the bottom. Where a domain has too few frames, or cannot be read, another one takes its place.
    """

    def __init__(
        self,
        datasets: Sequence[TrackDataset],
        *,
        num_samples: int | None = None,  # items an epoch; default: one for each domain
        options: MDNetOptions | None = None,
        seed: int = 0,
    ) -> None:
        self.starts = np.cumsum([0, *map(len, datasets)])
        super().__init__(datasets, num_samples=self.num_domains if num_samples is None else num_samples, seed=seed)
        self.options = options or MDNetOptions()

    @property
    def num_domains(self) -> int:
        """Number of all tracks: the branches that the network needs."""
        return int(self.starts[-1])

    def _draw(self, index: int, attempt: int, rng: np.random.Generator) -> Sample:
        domain, dataset, number, track = self._choose_domain(index, attempt, rng)
        frames = rng.choice(np.flatnonzero(track.visible), self.options.num_frames, replace=False).tolist()
        self._drawn = f"{dataset.track_name(number)}, frames {frames}, counted from 0"
        try:
            images = dataset.read_frames(number, frames)
            sample = mdnet_sample(images, track.boxes[frames], self.options, rng)
        except InputError as error:
            raise BadSampleError(dataset.track_name(number), error) from error
        return sample | {"domain": torch.full((len(frames),), domain)}

    def _choose_domain(
        self, index: int, attempt: int, rng: np.random.Generator
    ) -> tuple[int, TrackDataset, int, Track]:
        domain = self._domain_in_turn(index) if attempt == 0 else int(rng.integers(self.num_domains))
        for _ in range(MAX_UNSUITABLE):
            place = int(np.searchsorted(self.starts, domain, side="right")) - 1
            dataset, number = self.datasets[place], domain - int(self.starts[place])
            track = read_track(dataset, number)
            if int(track.visible.sum()) >= self.options.num_frames:
                return domain, dataset, number, track
            domain = int(rng.integers(self.num_domains))
        raise InputError(f"{MAX_UNSUITABLE} tracks in a row have fewer than {self.options.num_frames} visible frames")

    def _domain_in_turn(self, index: int) -> int:
        cycle, position = divmod(int(self._epoch) * self.num_samples + index, self.num_domains)
        order = np.random.default_rng(np.random.SeedSequence([self.seed, cycle])).permutation(self.num_domains)
        return int(order[position])


def mdnet_sample(
    images: list[Image],
    targets: Array,  # (n, 4) x, y, w, h
    options: MDNetOptions,
    rng: np.random.Generator,
) -> Sample:
    """Images, rois and labels of `MDNetSampler`. Raises InputError where no box on a target can be drawn."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    crops, rois, labels = [], [], []
    for number, (image, box) in enumerate(zip(images, targets, strict=True)):
        target, image_sz = torch.from_numpy(box).double(), (image.shape[0], image.shape[1])
        positive = sample_boxes(target, options.num_positive, options.positive_sampling, image_sz, generator)
        negative = sample_boxes(target, options.num_negative, options.negative_sampling, image_sz, generator)
        if len(positive) == 0:
            continue
        boxes = torch.cat((positive, negative))
        scene = scene_around(
            boxes,
            np.maximum(box[2:], SMALLEST_SIDE),
            image_sz,
            options.target_size,
            options.scene_multiple,
            zoom=options.zoom_base ** float(np.clip(3 * rng.normal(), -2, 2)),
        )
        crops.append(crop_scene(image, scene))
        inside = rois_in_scene(boxes, torch.from_numpy(scene.box[:2]), torch.from_numpy(scene.scale))
        rois.append(F.pad(inside, (1, 0), value=number))
        labels.append(torch.arange(len(boxes)) < len(positive))
    if not rois:
        raise InputError(f"no box overlaps the target as much as {options.positive_sampling.overlap} asks for")
    # A frame whose target lies outside of the image keeps its place among the images, without boxes.
    return {
        "images": _stacked(crops, [int(part[0, 0]) for part in rois], len(images)),
        "rois": torch.cat(rois).float(),
        "labels": torch.cat(labels).long(),
    }


def crop_scene(image: Image, scene: Scene) -> Image:  # (h, w, 3)
    """The scene with 8 bit values, 0 outside of the image; the points are those of `ltr.data.scene.crop`."""
    step_x, step_y = ((scene.box[2 + axis] + 1) / max(scene.size[axis] - 1, 1) for axis in (0, 1))
    to_image = np.array([[step_x, 0, scene.box[0]], [0, step_y, scene.box[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop: Image = cv2.warpAffine(image, to_image, scene.size, flags=flags)  # type: ignore[assignment]
    return crop


def _stacked(crops: list[Image], places: list[int], num: int) -> Tensor:  # (num, 3, H, W)
    height, width = (max(crop.shape[axis] for crop in crops) for axis in (0, 1))
    images = torch.zeros((num, height, width, 3), dtype=torch.uint8)
    for place, crop in zip(places, crops, strict=True):
        images[place, : crop.shape[0], : crop.shape[1]] = torch.from_numpy(crop)
    return images.permute(0, 3, 1, 2).contiguous()
