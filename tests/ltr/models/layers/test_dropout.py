import pytest
import torch

from ltr.models.layers.dropout import SeededDropout


def test_zeroes_the_part_asked_for_and_keeps_the_mean() -> None:
    dropped = SeededDropout(0.25, torch.Generator().manual_seed(1))(torch.ones(400, 400))
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 4 / 3]))
    assert dropped.mean() == pytest.approx(1, abs=0.01)  # deviation of the mean: 0.58 / 400


def test_own_generator_decides_whatever_else_is_drawn() -> None:
    x = torch.ones(50, 20)
    first = SeededDropout(0.5, torch.Generator().manual_seed(3))(x)
    torch.manual_seed(99)
    assert torch.equal(SeededDropout(0.5, torch.Generator().manual_seed(3))(x), first)
    assert not torch.equal(SeededDropout(0.5, torch.Generator().manual_seed(4))(x), first)


def test_is_the_identity_in_evaluation_and_without_probability() -> None:
    x = torch.randn(5, 6)
    assert SeededDropout(0.5).eval()(x) is x
    assert SeededDropout(0.0)(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_impossible_probabilities_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match=r"dropout probability in \[0, 1\)"):
        SeededDropout(p)
