import pytest
import torch

from ltr.data.collate import stack_sequences


def test_sequences_are_stacked_behind_the_frames():
    samples = [{"images": torch.full((3, 2, 4), float(i)), "num_bad": torch.tensor(i)} for i in range(5)]
    batch = stack_sequences(samples)
    assert batch["images"].shape == (3, 5, 2, 4)
    assert batch["images"][1, :, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert batch["num_bad"].tolist() == [0, 1, 2, 3, 4]


def test_samples_of_different_kinds():
    with pytest.raises(ValueError, match="the keys \\['a'\\], found \\['b'\\]"):
        stack_sequences([{"a": torch.zeros(1)}, {"b": torch.zeros(1)}])
