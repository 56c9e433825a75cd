"""Ground truth of a sequence, with the rules by which a convention scores it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from ltr.common.errors import InputError
from ltr.common.image import image_size
from ltr.common.types import Array
from pytracking.evaluation.data import Sequence
from pytracking.scoring.conventions import Rules, rules_of
from pytracking.scoring.metrics import counted_frames
from pytracking.scoring.rows import Offsets, row_offsets


@dataclass(frozen=True)
class Truth:
    """Ground truth of one sequence with the rules that apply to it."""

    name: str
    dataset: str
    boxes: Array  # (N, 4)
    visible: Array  # (N,) bool
    rules: Rules
    pixel_origin: int
    image_size: tuple[float, float] | None
    offsets: Offsets = field(default_factory=dict)

    @property
    def counted(self) -> int:
        """Frames that count."""
        return int(counted_frames(self.boxes, self.rules, self.visible, self.pixel_origin).sum())

    def key(self) -> bytes:
        """Hash of all that the scores depend on."""
        settings = (self.name, self.dataset, self.rules, self.pixel_origin, self.image_size, dict(self.offsets))
        digest = hashlib.sha256(repr((settings, self.boxes.shape)).encode())
        digest.update(self.boxes.tobytes())
        digest.update(self.visible.tobytes())
        return digest.digest()


def read_truth(sequence: Sequence, convention: str) -> Truth:
    """Ground truth and rules of a sequence. Raises InputError where it cannot be scored here."""
    rules = rules_of(convention, sequence.dataset)
    check_ground_truth(sequence)
    boxes, visible = np.asfortranarray(sequence.ground_truth_rect), np.asarray(sequence.target_visible)
    if len(boxes) != len(visible):
        raise InputError(f"{sequence}: expected {len(boxes)} visibility flags, one for each box, found {len(visible)}")
    truth = Truth(
        sequence.name,
        sequence.dataset,
        boxes,
        visible,
        rules,
        sequence.pixel_origin,
        _image_size(sequence) if rules.clip else None,
        row_offsets(sequence),
    )
    if truth.counted == 0:
        raise InputError(f"{sequence}: expected ground truth with at least one frame to score, found none")
    return truth


def check_ground_truth(sequence: Sequence) -> None:
    """Raise InputError where the ground truth is with a server."""
    if sequence.first_box_only:
        raise InputError(
            f"{sequence} has ground truth for its first frame alone: its results are scored by the benchmark's server; "
            "pack them with pytracking/util_scripts"
        )


def _image_size(sequence: Sequence) -> tuple[float, float] | None:
    """(width, height) of the first image; None where it is not there."""
    try:
        width, height = image_size(sequence.frames[0])
    except (OSError, InputError, IndexError):  # the folder of the images may be missing
        return None
    return float(width), float(height)
