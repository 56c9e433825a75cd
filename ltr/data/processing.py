"""From frames and boxes to a training sample of DiMP: crops, boxes in them, proposals and label maps.

The values are those of DiMP's published training (`train_settings/dimp/dimp50.py` of pytracking).
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from ltr.common.boxes import overlap
from ltr.common.errors import InputError
from ltr.common.types import Array, Image
from ltr.data.boxes import PROPOSAL_SIGMAS, draw_by_density, jittered_box, propose_boxes
from ltr.data.collate import Sample
from ltr.data.labels import gaussian_labels


@dataclass(frozen=True)
class Frames:
    """Images of one target and its boxes."""

    train_images: list[Image]  # RGB uint8 (H, W, 3)
    train_boxes: Array  # (I, 4) x, y, w, h, float64
    test_images: list[Image]
    test_boxes: Array  # (J, 4)


@dataclass(frozen=True)
class SearchArea:
    """A square of an image that becomes a square crop. Positions of both count pixel centers from 0."""

    corner: Array  # (2,) x, y of the square's near edge: pixel 0 begins at 0, its center is at 0.5
    side: float  # image pixels
    output_size: int  # crop pixels a side
    flip: bool = False  # mirrored left to right

    @property
    def scale(self) -> float:
        """Crop pixels per image pixel."""
        return self.output_size / self.side

    @classmethod
    def around(cls, box: Array, factor: float, output_size: int, flip: bool = False) -> "SearchArea":
        """Square with the center of a box and `factor`^2 times its area. Raises InputError below one pixel a side."""
        side = float(np.sqrt(box[2:].prod())) * factor
        if not side >= 1:
            raise InputError(f"expected a search area of at least one pixel, found a side of {side:.3g} around {box}")
        return cls(box[:2] + box[2:] / 2 - side / 2, side, output_size, flip)

    def inside(self, image_size: tuple[int, int], max_change: float) -> "SearchArea":
        """The square moved into an image of this height and width, as pytracking's border mode "inside_major".

        It first shrinks, by up to `max_change`, to the longer side of the image. Along a side that it is still larger
        than its middle is the image's.
        """
        extent = np.array(image_size[::-1], float)
        side = self.side / min(max(self.side / extent.max(), 1.0), max_change)
        corner = self.corner + (self.side - side) / 2
        corner = np.where(side <= extent, corner.clip(0, np.maximum(extent - side, 0)), (extent - side) / 2)
        return replace(self, corner=corner, side=side)

    def crop(self, image: Image) -> Image:  # (output_size, output_size, 3)
        """The square, resampled bilinearly; beyond the border the image's edge is repeated."""
        step = 1 / self.scale
        x, y = self.corner + step / 2 - 0.5  # where the center of the first crop pixel lies
        to_image = np.array([[step, 0, x], [0, step, y]])
        if self.flip:
            to_image[0] = -step, 0, x + step * (self.output_size - 1)
        size = (self.output_size, self.output_size)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop: Image = cv2.warpAffine(image, to_image, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        return crop

    def box_in_crop(self, box: Array) -> Array:  # (4,) -> (4,)
        """Box in crop pixels, its center given as the position that counts pixel centers from 0.

        That is half a crop pixel less than where the box's edges put it: the published IoU-Nets know boxes in this
        form, and `box_from_crop` of the tracker turns it back.
        """
        center = (box[:2] + box[2:] / 2 - self.corner) * self.scale - 0.5
        if self.flip:
            center[0] = self.output_size - 1 - center[0]
        size = box[2:] * self.scale
        return np.concatenate((center - size / 2, size))


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """Random displacement of the search area."""

    center: float  # in the side of the square of the target's area, both directions together
    scale: float  # standard deviation of the logarithm of each side


@dataclass(frozen=True, kw_only=True)
class DiMPProcessing:
    """Crops around jittered boxes, augmented, with labels and proposals for the test frames."""

    search_area_factor: float = 5.0
    output_size: int = 288
    train_jitter: Jitter = Jitter(center=3.0, scale=0.25)
    test_jitter: Jitter = Jitter(center=4.5, scale=0.5)
    gray_probability: float = 0.05  # all frames of a sample together
    flip_probability: float = 0.0  # likewise
    frame_flip_probability: float = 0.0  # of each frame
    max_scale_change: float | None = None  # crops stay inside the image, and shrink by up to that; None: they do not
    brightness_jitter: float = 0.2  # of each frame
    label_sigma_factor: float = 0.25  # standard deviation in the side of the target
    feature_size: int = 18
    kernel_size: int = 4
    num_proposals: int = 8
    min_proposal_iou: float = 0.1
    proposal_sigmas: tuple[float, ...] = PROPOSAL_SIGMAS
    density_sigma: float | None = None  # of the target's box density; None: proposals of known overlap

    @property
    def label_sigma(self) -> float:
        """Standard deviation of the label in cells; 0.9 with the default values."""
        return self.label_sigma_factor / self.search_area_factor * self.feature_size

    def __call__(self, frames: Frames, rng: np.random.Generator) -> Sample:
        """Sample with I train and J test frames.

        Returns:
            train_images (I, 3, s, s), test_images (J, 3, s, s): uint8.
            train_boxes (I, 4), test_boxes (J, 4): x, y, w, h in crop pixels.
            test_labels (J, h, w), proposals (J, n, 4), proposal_iou (J, n) from -1 to 1.
            With a density_sigma also proposal_density and target_density (J, n), see `draw_by_density`.

        Raises:
            InputError: a target without area.
        """
        gray, flip = rng.random() < self.gray_probability, rng.random() < self.flip_probability
        train_images, train_boxes = self._crops(
            frames.train_images, frames.train_boxes, self.train_jitter, gray, flip, rng
        )
        test_images, test_boxes = self._crops(frames.test_images, frames.test_boxes, self.test_jitter, gray, flip, rng)
        drawn = self._proposals(test_boxes, rng)
        labels = gaussian_labels(test_boxes, self.label_sigma, self.feature_size, self.kernel_size, self.output_size)
        return {
            "train_images": _to_tensor(train_images),
            "test_images": _to_tensor(test_images),
            "train_boxes": torch.from_numpy(train_boxes.astype(np.float32)),
            "test_boxes": torch.from_numpy(test_boxes.astype(np.float32)),
            "test_labels": torch.from_numpy(labels),
            **{name: torch.from_numpy(values.astype(np.float32)) for name, values in drawn.items()},
        }

    def _proposals(self, test_boxes: Array, rng: np.random.Generator) -> dict[str, Array]:
        if self.density_sigma is not None:
            drawn = [draw_by_density(box, self.num_proposals, self.density_sigma, rng) for box in test_boxes]
            boxes, proposed, wanted = (np.stack(parts) for parts in zip(*drawn, strict=True))
            iou = overlap(boxes, test_boxes[:, None])
            densities = {"proposal_density": proposed, "target_density": wanted}
            return {"proposals": boxes, "proposal_iou": 2 * iou - 1, **densities}
        pairs = [
            propose_boxes(box, self.num_proposals, self.min_proposal_iou, rng, self.proposal_sigmas)
            for box in test_boxes
        ]
        boxes, iou = (np.stack(parts) for parts in zip(*pairs, strict=True))
        return {"proposals": boxes, "proposal_iou": 2 * iou - 1}

    def _crops(
        self, images: list[Image], boxes: Array, jitter: Jitter, gray: bool, flip: bool, rng: np.random.Generator
    ) -> tuple[list[Image], Array]:
        crops, in_crop = [], []
        for image, box in zip(images, boxes, strict=True):
            around = jittered_box(box, jitter.center, jitter.scale, rng)
            mirrored = flip ^ bool(self.frame_flip_probability and rng.random() < self.frame_flip_probability)
            area = SearchArea.around(around, self.search_area_factor, self.output_size, mirrored)
            if self.max_scale_change is not None:
                area = area.inside(image.shape[:2], self.max_scale_change)
            crop = to_gray(area.crop(image)) if gray else area.crop(image)
            crops.append(brighter(crop, 1 + self.brightness_jitter * (2 * rng.random() - 1)))
            in_crop.append(area.box_in_crop(box))
        return crops, np.stack(in_crop)


def to_gray(image: Image) -> Image:
    """Three equal channels."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]


def brighter(image: Image, factor: float) -> Image:
    """Every value times a positive factor, rounded, at most 255."""
    return cv2.convertScaleAbs(image, alpha=factor) if factor != 1 else image  # type: ignore[return-value]


def _to_tensor(images: list[Image]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
