"""Rendered sequences in which the target goes away and comes back."""

import math

import numpy as np
import pytest

from benchmarks.long_term.scenes import ABSENCES, FRAME, SEEN, scenes
from pytracking.evaluation.demo_rendering import SceneRenderer

PARTS = [(part, number) for part in ("train", "dev") for number in range(len(ABSENCES))]


def center(renderer: SceneRenderer, t: int) -> np.ndarray:
    outline = renderer.outline(t)
    return (outline.min(axis=0) + outline.max(axis=0)) / 2


def is_outside(renderer: SceneRenderer, t: int) -> bool:
    outline = renderer.outline(t)
    return bool(((outline.max(axis=0) < 0) | (outline.min(axis=0) > FRAME)).any())


@pytest.mark.parametrize(("part", "number"), PARTS)
def test_target_leaves_once_for_about_the_time_and_comes_back_elsewhere(part: str, number: int) -> None:
    renderer = SceneRenderer(scenes(part)[number])
    outside = np.array([is_outside(renderer, t) for t in range(renderer.scene.num_frames)])
    away = np.flatnonzero(outside)
    assert outside[away[0] : away[-1] + 1].all()  # it does not pass through the frame meanwhile
    assert ABSENCES[number] <= len(away) <= ABSENCES[number] + 12
    assert away[0] >= SEEN
    assert len(outside) - away[-1] > SEEN
    assert math.dist(center(renderer, away[0] - 1), center(renderer, away[-1] + 1)) > FRAME[1] / 3


def test_what_is_fitted_and_what_is_judged_share_nothing() -> None:
    train, dev = scenes("train"), scenes("dev")
    for part_of in (lambda s: s.seed, lambda s: s.background.photo, lambda s: s.target.cutout, lambda s: s.name):
        assert not {part_of(scene) for scene in train} & {part_of(scene) for scene in dev}


def test_look_alikes_are_there_meanwhile() -> None:
    for scene in scenes("dev"):
        assert scene.target.cutout in {sprite.cutout for sprite in scene.behind}
