"""Film strips: a few frames of the sequences on which the trackers fail most, with all boxes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np

from ltr.common.boxes import overlap
from ltr.common.errors import InputError
from ltr.common.image import read_image
from ltr.common.types import Array, Image
from pytracking.analysis.evaluation import Evaluation
from pytracking.analysis.result_files import ResultSource, load_boxes
from pytracking.evaluation.data import Sequence
from pytracking.scoring.metrics import valid_frames
from pytracking.scoring.rows import frame_rows, row_offsets

STRIPS, FRAMES = 6, 6
WIDTH = 480  # of a stored frame, pixels
JPEG_QUALITY = 72
BINS = 240  # of the overlap over time
MARGIN = 0.5  # around all boxes of a frame, in extents of the ground truth


@dataclass(frozen=True)
class StripFrame:
    """One frame, cut to the region where the boxes are."""

    number: int  # from 1
    jpeg: bytes
    region: tuple[int, int, int, int]  # x, y, w, h of the part shown, in pixels of the frame
    zoomed: bool  # whether that is less than the frame
    ground_truth: list[float]
    boxes: list[list[float] | None]  # of each tracker; None where the result is shorter
    overlaps: list[float | None]

    @property
    def data_uri(self) -> str:
        """The image as an address that holds it."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


@dataclass(frozen=True)
class Strip:
    """Frames of one sequence, and the overlap over time."""

    sequence: str
    frames: list[StripFrame]
    scores: list[float]  # AUC of each tracker, mean over runs
    timeline: Array  # (trackers, bins) mean overlap in equal parts of the sequence, NaN without target
    length: int  # frames of the sequence


def worst_sequences(evaluation: Evaluation, count: int = STRIPS) -> list[str]:
    """The sequences with the lowest AUC, averaged over trackers and runs, lowest first."""
    scores = np.mean([tracker.auc.mean(axis=0) for tracker in evaluation.trackers], axis=0)
    return [evaluation.sequences[index] for index in np.argsort(scores, kind="stable")[:count]]


def film_strips(
    evaluation: Evaluation, dataset: SequenceOf[Sequence], trackers: Mapping[str, ResultSource], count: int = STRIPS
) -> tuple[list[Strip], list[str]]:
    """Strips of the `count` worst sequences, and why others could not be made (no images on this machine).

    `trackers` gives, for each name in the evaluation, the run whose boxes are drawn.
    """
    by_name = {sequence.name: sequence for sequence in dataset}
    strips, problems = [], []
    for name in worst_sequences(evaluation, count):
        try:
            strips.append(_strip(evaluation, by_name[name], trackers))
        except (InputError, OSError) as error:
            problems.append(f"{name}: {error}")
    return strips, problems


def _strip(evaluation: Evaluation, sequence: Sequence, trackers: Mapping[str, ResultSource]) -> Strip:
    truth = sequence.ground_truth_rect
    offsets = row_offsets(sequence)
    names = [tracker.name for tracker in evaluation.trackers]
    results = [frame_rows(load_boxes(trackers[name], sequence)[1], len(truth), offsets) for name in names]
    for boxes in results:
        boxes[0] = truth[0]  # where it was initialized, whatever the file says
    overlaps = np.full((len(names), len(truth)), np.nan)
    for row, boxes in zip(overlaps, results, strict=True):
        row[: len(boxes)] = overlap(boxes, truth[: len(boxes)])
    with_target = valid_frames(truth)
    overlaps[:, ~with_target] = np.nan
    valid = np.flatnonzero(with_target)
    # At equal distances to the last one; the first shows but the initialization.
    chosen = valid[np.unique(np.linspace(0, len(valid) - 1, FRAMES + 1).round().astype(int))[1:]]
    frames = [_frame(sequence, int(index), results, overlaps) for index in chosen]
    position = evaluation.sequences.index(sequence.name)
    scores = [float(tracker.auc[:, position].mean()) for tracker in evaluation.trackers]
    return Strip(sequence.name, frames, scores, bin_means(overlaps, BINS), len(truth))


def _frame(sequence: Sequence, index: int, results: list[Array], overlaps: Array) -> StripFrame:
    truth = sequence.ground_truth_rect[index]
    boxes = [boxes[index] if index < len(boxes) else None for boxes in results]
    image = read_image(sequence.frames[index])
    region = shown_region(truth, [box for box in boxes if box is not None], image.shape[1], image.shape[0])
    return StripFrame(
        index + 1,
        encode_jpeg(image, region),
        region,
        region[2:] != (image.shape[1], image.shape[0]),
        _rounded(truth),
        [None if box is None else _rounded(box) for box in boxes],
        [None if np.isnan(value) else round(float(value), 3) for value in overlaps[:, index]],
    )


def shown_region(truth: Array, boxes: SequenceOf[Array], width: int, height: int) -> tuple[int, int, int, int]:
    """Part (x, y, w, h) of a frame that holds the ground truth (4,) and the boxes, in the frame's proportions.

    A small target would be lost in the whole frame, and a part that shows most of it only confuses.
    """
    usable = [box for box in boxes if np.isfinite(box).all()]
    corners = np.array([truth, *usable])
    margin = MARGIN * max(truth[2], truth[3])
    low = np.clip(corners[:, :2].min(axis=0) - margin, 0, (width, height))
    high = np.clip((corners[:, :2] + corners[:, 2:]).max(axis=0) + margin, 0, (width, height))
    smallest = 6 * np.sqrt(truth[2] * truth[3])  # the target's surroundings
    scale = min(1.0, max((high[0] - low[0]) / width, (high[1] - low[1]) / height, smallest / width, smallest / height))
    if scale > 0.75:
        return 0, 0, width, height
    w, h = max(1, round(scale * width)), max(1, round(scale * height))
    x, y = np.clip((low + high) / 2 - (w / 2, h / 2), 0, (width - w, height - h)).round().astype(int)
    return int(x), int(y), w, h


def encode_jpeg(image: Image, region: tuple[int, int, int, int]) -> bytes:
    """Part (x, y, w, h) of an RGB image as a JPEG file of at most WIDTH pixels across."""
    import cv2

    x, y, w, h = region
    part: Array = image[y : y + h, x : x + w]
    if w > WIDTH:
        part = cv2.resize(part, (WIDTH, max(1, round(h * WIDTH / w))), interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(part, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return bytes(encoded)


def bin_means(values: Array, bins: int) -> Array:
    """Means of values (N, F) over at most `bins` equal parts of F -> (N, B); NaN where a part has no value."""
    edges = np.linspace(0, values.shape[1], min(bins, values.shape[1]) + 1).round().astype(int)[:-1]
    known = np.isfinite(values)
    counts = np.add.reduceat(known, edges, axis=1, dtype=float)
    sums = np.add.reduceat(np.where(known, values, 0.0), edges, axis=1)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def _rounded(box: Array) -> list[float]:
    return [round(float(value), 1) for value in box]
