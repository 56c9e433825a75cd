"""The learners of benchmarks that look into online descent or replace its step."""

from typing import Any

import pytest
import torch

from benchmarks.frame_time import IDLE, STEP_LENGTH
from benchmarks.rls_diagnosis import RecordingRLS
from ltr.models.target_classifier.online import OnlineDescent
from ltr.models.target_classifier.optimizer import BatchGradientDescent, RLSBatchGradientDescent
from tests.ltr.models.target_classifier.test_optimizer import problem


@pytest.mark.parametrize("plain", IDLE)
def test_idle_learners_of_frame_time_take_the_steps_of_bgd(plain: Any) -> None:
    loss, filter, feat, boxes = problem()
    expected, _, _ = BatchGradientDescent(loss, STEP_LENGTH)(filter, feat=feat, bb=boxes)
    options: dict[str, Any] = {"dtype": torch.float64}
    if plain is RLSBatchGradientDescent:
        options["step_length"] = STEP_LENGTH
    learner: OnlineDescent = plain(loss, **options)
    learner.__class__ = IDLE[plain]
    found, _, _ = learner(filter, feat=feat, bb=boxes)
    torch.testing.assert_close(found, expected)
    assert learner.P is not None


def test_rls_diagnosis_notes_every_gradient_and_changes_none() -> None:
    loss, filter, feat, boxes = problem()
    plain, recording = (RLSBatchGradientDescent(loss, 0.03, dtype=torch.float64) for _ in range(2))
    recording.__class__ = RecordingRLS
    assert isinstance(recording, RecordingRLS)
    recording.passed, recording.inside = [], []
    expected, _, _ = plain(filter, feat=feat, bb=boxes)
    found, _, _ = recording(filter, feat=feat, bb=boxes)
    assert torch.equal(found, expected)
    assert len(recording.passed) == len(recording.inside) == 5
    assert all(0 < share < 1 for share in (*recording.passed, *recording.inside))
