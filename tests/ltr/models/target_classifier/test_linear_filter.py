import torch
from torch import nn

from ltr.models.target_classifier.initializer import FilterInitializerLinear
from ltr.models.target_classifier.linear_filter import LinearFilter
from ltr.models.target_classifier.optimizer import DiMPSteepestDescentGN


def small_classifier() -> LinearFilter:
    optimizer = DiMPSteepestDescentGN(num_iter=2, num_dist_bins=100, bin_displacement=0.1)
    return LinearFilter(4, FilterInitializerLinear(4, 6), optimizer, nn.Conv2d(5, 6, 1))


def test_scores_are_one_cell_larger_than_the_features() -> None:
    classifier = small_classifier()
    feat = classifier.extract_classification_feat(torch.randn(3, 5, 18, 18).to(memory_format=torch.channels_last))
    assert feat.is_contiguous()
    assert feat.shape == (3, 6, 18, 18)
    scores = classifier.classify(torch.randn(1, 6, 4, 4), feat)
    assert scores.shape == (3, 19, 19)


def test_filter_is_initialized_and_then_optimized() -> None:
    classifier = small_classifier()
    feat, bb = torch.randn(3, 6, 18, 18), torch.tensor([[100.0, 100, 60, 50]]).repeat(3, 1)
    weights, iterates, losses = classifier.get_filter(feat, bb, num_iter=4)
    assert torch.equal(iterates[0], classifier.filter_initializer(feat, bb))
    assert torch.equal(iterates[-1], weights)
    assert len(iterates) == len(losses) == 5
    assert losses[-1] < losses[0]


def test_training_pass_treats_sequences_alone() -> None:
    classifier = small_classifier()
    train, test = torch.randn(3, 2, 5, 18, 18), torch.randn(4, 2, 5, 18, 18)
    bb = torch.tensor([100.0, 100, 60, 50]) + 10 * torch.rand(3, 2, 4)
    scores = classifier(train, test, bb)
    assert [tuple(s.shape) for s in scores] == [(4, 2, 19, 19)] * 3  # the initializer and two iterations
    alone = classifier(train[:, 1:], test[:, 1:], bb[:, 1:])
    for both, one in zip(scores, alone, strict=True):
        torch.testing.assert_close(both[:, 1:], one, rtol=1e-4, atol=1e-5)
    sum(s.square().mean() for s in scores).backward()
    for name, parameter in classifier.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
