import numpy as np
import pytest
import torch

from pytracking.tracker.dimp.sample_memory import SampleMemory, insert_weight, replaced_slot
from tests.shared_data import golden


def memory(initial: int = 3, size: int = 6, minimum: float | None = 0.25) -> SampleMemory:
    return SampleMemory(torch.randn(initial, 2, 4, 4), torch.rand(initial, 4), size, minimum)


def test_free_slots_first_then_the_least_weight_outside_the_first_frame() -> None:
    weights = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    assert replaced_slot(weights, num_stored=2, num_initial=1, initial_minimum=0.25) == 2
    assert replaced_slot(weights, num_stored=4, num_initial=1, initial_minimum=0.25) == 1
    assert replaced_slot(weights, num_stored=4, num_initial=1, initial_minimum=None) == 0
    assert replaced_slot(weights, num_stored=4, num_initial=1, initial_minimum=0.0) == 0


def test_new_samples_form_an_exponential_window() -> None:
    weights = np.zeros(20, np.float32)
    weights[:4] = 0.25
    slot = None
    for step in range(10):
        weights = insert_weight(weights, 4 + step, slot, 0.1, num_initial=4, initial_minimum=None)
        slot = 4 + step
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(weights[5:14] / weights[4:13], 1 / 0.9, rtol=1e-5)


def test_first_frame_keeps_its_floor() -> None:
    samples = memory()
    for _ in range(200):
        samples.insert(torch.randn(1, 2, 4, 4), torch.rand(4), 0.1)
    assert samples.weights[:3].sum() == pytest.approx(0.25, abs=1e-3)
    assert samples.num_stored == 6


def test_stored_samples_are_found_in_their_slot() -> None:
    samples = memory()
    feature, box = torch.randn(1, 2, 4, 4), torch.rand(4)
    slot = samples.insert(feature, box, 0.01)
    assert torch.equal(samples.features[slot], feature[0])
    assert torch.equal(samples.boxes[slot], box)
    assert len(samples.weights) == len(samples.features) == 4


def test_samples_are_believed_by_their_share_of_the_usual_score() -> None:
    samples = memory()
    assert samples.usual_score == 1
    for score in (0.2, 0.6, 0.8):
        samples.insert(torch.randn(1, 2, 4, 4), torch.rand(4), 0.01, score)
    assert samples.usual_score == 0.6
    assert samples.believed(0.9).tolist() == [True, True, True, False, True, True]
    assert samples.believed(0.0).all()


def test_learning_rate_of_one_forgets_everything_else() -> None:
    samples = memory(minimum=None)
    slot = samples.insert(torch.randn(1, 2, 4, 4), torch.rand(4), 1.0)
    assert samples.weights[slot] == 1


def test_first_frame_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="sample_memory_size"):
        memory(initial=8, size=6)


@pytest.mark.parametrize("scenario", "abcde")
def test_golden_weights(scenario: str) -> None:
    case = golden("c08_memory_weights.npz")
    config = case[f"{scenario}_cfg"]
    initial, size, steps = int(config[0]), int(config[1]), int(config[3])
    minimum = None if config[2] < 0 else float(config[2])
    samples = SampleMemory(torch.zeros(initial, 1, 1, 1), torch.zeros(initial, 4), size, minimum)
    recorded = dict(zip(range(0, steps, 1 if scenario == "a" else 5), case[f"{scenario}_weights"], strict=True))
    for step in range(steps):
        rate = 0.02 if case[f"{scenario}_hard"][step] else 0.01
        slot = samples.insert(torch.zeros(1, 1, 1, 1), torch.zeros(4), rate)
        assert slot == case[f"{scenario}_replaced"][step]
        if step in recorded:
            expected = recorded[step].numpy()
            np.testing.assert_allclose(samples.weights, expected[: samples.num_stored], rtol=0, atol=1e-5)
