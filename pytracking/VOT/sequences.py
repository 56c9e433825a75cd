"""Sequences as the VOT experiments and their scores need them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ltr.common.image import image_size
from ltr.dataset.regions import Regions
from pytracking.evaluation.data import Sequence


@dataclass(frozen=True)
class VOTSequence:
    """Ground truth and image size of one sequence, read when they are used."""

    name: str  # as in VOT's own files
    read_truth: Callable[[], Regions]
    read_size: Callable[[], tuple[int, int]]

    @cached_property
    def truth(self) -> Regions:
        """Region of each frame; a mark where there is none."""
        return self.read_truth()

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the images."""
        return self.read_size()


def vot_sequence(sequence: Sequence) -> VOTSequence:
    """A sequence of any data set; those of VOT keep the form of each region, box or polygon."""
    return VOTSequence(sequence.native_name, lambda: _truth(sequence), lambda: image_size(sequence.frames[0]))


def _truth(sequence: Sequence) -> Regions:
    if sequence.ground_truth_regions is not None:
        return sequence.ground_truth_regions
    polygons = sequence.ground_truth_polygons
    rows = sequence.ground_truth_rect if polygons is None else polygons
    return Regions.from_rows(np.asarray(rows).tolist())
