"""Whole trackers on the device beside the plain form on the CPU: from equal states, then each on its own."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr.common.types import Image
from pytracking.util_scripts.check_device.arithmetic import relative_error
from pytracking.util_scripts.check_device.copying import copy_state
from pytracking.util_scripts.check_device.processes import Check, Found, Part, Setting
from pytracking.util_scripts.check_device.results import Measurement
from pytracking.util_scripts.check_device.scene import video
from pytracking.util_scripts.check_device.trackers import make_pair

# Frames are a share of those that are asked for: DiMP-50's plain form is slow on a CPU.
MEMBERS = (("dimp", "rls_dimp_lite", 1), ("rtmdnet", "rls_rtmdnet_lite", 1), ("dimp", "rls_dimp50", 2))
NEAR = 0.01  # px
FAR_SHARE = 0.1  # of the frames


@dataclass
class Run:
    """What a tracker reported of the frames after the first."""

    boxes: list[list[float]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def track(self, tracker: Any, image: Image) -> None:
        start = perf_counter()
        result = tracker.track(image)  # its box is on the host: a GPU has finished
        self.seconds.append(perf_counter() - start)
        self.boxes.append([float(value) for value in result["target_bbox"]])
        self.scores.append(result["object_presence_score"])
        self.flags.append(result["flag"])

    @property
    def fps(self) -> float:
        return 1 / float(np.median(self.seconds))


def whole_tracker(setting: Setting, family: str, parameters: str, divisor: int) -> Found:
    """A tracker whose state is the reference's before every frame; then one that is left alone."""
    images = video(max(setting.frames // divisor, 3))
    pair = make_pair(family, parameters, setting.device)
    plain, equal, free, learnt = Run(), Run(), Run(), 0.0
    pair.reference.initialize(images.images[0], images.start)
    pair.checked.initialize(images.images[0], images.start)
    for image in images.images[1:]:
        copy_state(pair.reference, pair.checked)
        equal.track(pair.checked, image)
        plain.track(pair.reference, image)
        learnt = max(learnt, relative_error(_learnt(pair.checked), _learnt(pair.reference)))
    pair.checked.seed(0)
    pair.checked.initialize(images.images[0], images.start)
    for image in images.images[1:]:
        free.track(pair.checked, image)
    reason = "roundings of float32 in steps of gradient descent"
    measured = [Measurement("filter or classifier after a frame, relative difference", learnt, 1e-3, reason)]
    return Found([*_from_equal_states(equal, plain), *measured, *_free(free, plain)], {"weights": pair.weights})


def _learnt(tracker: Any) -> Tensor:
    """The numbers that a tracker learns online."""
    classifier = tracker.classifier
    if hasattr(classifier, "filter"):
        return classifier.filter.flatten()
    return torch.cat([parameter.flatten() for parameter in classifier.head.parameters()])


def _from_equal_states(found: Run, expected: Run) -> list[Measurement]:
    differences = np.abs(np.array(found.boxes) - np.array(expected.boxes)).max(axis=1)
    scores = np.abs(np.array(found.scores) - np.array(expected.scores)) / max(map(abs, expected.scores))
    flags = sum(own != other for own, other in zip(found.flags, expected.flags, strict=True))
    ties = "of two nearly equal scores either may win"
    allowed = int(FAR_SHARE * len(differences))
    return [
        Measurement("boxes, median of the frames", float(np.median(differences)), NEAR, "roundings of float32", "px"),
        Measurement(
            f"frames whose boxes differ by more than {NEAR} px", float(np.sum(differences > NEAR)), allowed, ties
        ),
        Measurement("frames whose flags differ", float(flags), allowed, "a score may be at a threshold"),
        Measurement("scores, median of relative differences", float(np.median(scores)), 1e-3, "roundings of float32"),
    ]


def _free(found: Run, expected: Run) -> list[Measurement]:
    """Without a verdict: what a tracker learns from its own boxes makes small differences grow."""
    differences = np.abs(np.array(found.boxes) - np.array(expected.boxes)).max(axis=1)
    return [
        Measurement("left alone: boxes, median", float(np.median(differences)), unit="px"),
        Measurement("left alone: boxes, largest", float(differences.max()), unit="px"),
        Measurement("frames per second", found.fps),
        Measurement("frames per second, plain form on the CPU", expected.fps),
    ]


def parts() -> list[Part]:
    """A part for every member."""
    checks: list[tuple[str, Check]] = [
        (parameters, functools.partial(whole_tracker, family=family, parameters=parameters, divisor=divisor))
        for family, parameters, divisor in MEMBERS
    ]
    return [Part(name, check) for name, check in checks]
