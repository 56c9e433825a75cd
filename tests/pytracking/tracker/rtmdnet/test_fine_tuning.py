"""Training of the fully connected layers, and the semantics of Alg. 1."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ltr.models.target_classifier.guard import RejectedUpdateWarning
from ltr.models.tracking.mdnet import MDNetHead, mdnet
from pytracking.tracker.rtmdnet.fine_tuning import OnlineClassifier, batches, fine_tune, hardest, make_rls_sgd, make_sgd
from pytracking.tracker.rtmdnet.params import RTMDNetParams
from pytracking.tracker.rtmdnet.sample_memory import FrameMemory
from rls import RLSSGD
from tests.shared_data import fill_by_recipe, golden

DIM = 12


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def params(**changes: Any) -> RTMDNetParams:
    return RTMDNetParams().replace(
        **{"init_iterations": 5, "update_iterations": 3, "init_learning_rate": 0.01, "update_learning_rate": 0.01}
        | changes
    )


def head(seed: int = 0) -> MDNetHead:
    return MDNetHead(DIM, 8, generator(seed)).initialize_(generator(seed)).eval()


def memory(frames: int = 3) -> FrameMemory:
    memory = FrameMemory(20, 20)
    for seed in range(frames):
        noise = torch.randn(60, DIM, generator=generator(seed))
        memory.append(noise[:20] + 1, noise[20:] - 1)
    return memory


def weights(classifier: OnlineClassifier) -> list[Tensor]:
    return [value.clone() for value in classifier.head.state_dict().values()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def scores(classifier: OnlineClassifier) -> Tensor:
    return classifier.score(torch.randn(6, DIM, generator=generator(9)))


def test_batches_take_every_sample_before_any_again() -> None:
    found = torch.stack(list(batches(10, 4, 5, generator())))
    assert found.shape == (5, 4)
    assert sorted(found.flatten()[:10].tolist()) == list(range(10))
    assert sorted(found.flatten()[10:].tolist()) == list(range(10))


@pytest.mark.parametrize("num", [1, 3])
def test_few_samples_come_several_times_in_a_batch(num: int) -> None:
    assert torch.stack(list(batches(num, 4, 2, generator()))).unique().tolist() == list(range(num))


def test_no_samples_give_empty_batches() -> None:
    assert [len(batch) for batch in batches(0, 4, 3, generator())] == [0, 0, 0]


def test_hardest_are_those_of_the_highest_score_without_dropout() -> None:
    network, candidates = head().train(), torch.randn(50, DIM)
    found = hardest(network, candidates, 7)
    assert network.training
    every = network.eval()(candidates)[:, 1].detach()
    assert sorted(network(found)[:, 1].tolist()) == pytest.approx(every.sort().values[-7:].tolist())
    assert hardest(network, candidates, 60) is candidates


@pytest.mark.parametrize(("make", "rate"), [(make_sgd, 0.02), (make_rls_sgd, 0.005)])
@pytest.mark.parametrize("num_positives", [1, 40])
def test_loss_goes_down(make: Callable[..., Any], rate: float, num_positives: int) -> None:
    network, settings = head(), params()
    noise = torch.randn(num_positives + 300, DIM)
    positives, negatives = noise[:num_positives] + 1, noise[num_positives:] - 1
    losses = fine_tune(network, make(network, rate, settings), positives, negatives, 80, settings, generator())
    assert len(losses) == 80
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert not network.training


def test_positives_alone_are_learnt_from() -> None:
    network, settings = head(), params()
    positives = torch.randn(40, DIM)
    before = network(positives)[:, 1].mean()
    optimizer = make_sgd(network, 0.02, settings)
    fine_tune(network, optimizer, positives, torch.zeros(0, DIM), 20, settings, generator())
    assert network(positives)[:, 1].mean() > before


def state(classifier: OnlineClassifier) -> list[Tensor]:
    """Weights, momentum and P."""
    optimizer = classifier.optimizer
    tensors = [*weights(classifier), *(own["momentum_buffer"] for own in optimizer.state.values())]
    if isinstance(optimizer, RLSSGD):
        states = [P for layer in optimizer.state_dict()["inverse_correlations"] for P in layer]
        tensors += [value for P in states for value in P.values() if isinstance(value, Tensor)]
    return [tensor.clone() for tensor in tensors]


@pytest.mark.parametrize("optimizer", ["sgd", "rls_sgd"])
@pytest.mark.parametrize("kind", ["regularly", "occasionally"])
def test_a_training_that_is_not_finite_is_undone(optimizer: str, kind: str) -> None:
    classifier = OnlineClassifier(head(), params(online_optimizer=optimizer), generator())
    classifier.learn_first_frame(memory().positives(), memory().negatives())
    classifier.update_regularly(memory())
    before, scored = state(classifier), scores(classifier)
    rates = [group["lr"] for group in classifier.optimizer.param_groups]
    for group in classifier.optimizer.param_groups:
        group["lr"] = 1e38  # the weights of a step with it are not finite, or those of the next
    with pytest.warns(RejectedUpdateWarning, match="not finite and was undone"):
        getattr(classifier, f"update_{kind}")(memory())
    assert same(state(classifier), before)
    assert torch.equal(scores(classifier), scored)
    assert not classifier.head.training
    with warnings.catch_warnings():
        warnings.simplefilter("error", RejectedUpdateWarning)  # it is told once
        getattr(classifier, f"update_{kind}")(memory())
    assert classifier.guard.num_rejected == 2
    assert same(state(classifier), before)
    for group, rate in zip(classifier.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    classifier.update_regularly(memory())
    assert classifier.guard.num_rejected == 2
    assert not same(state(classifier), before)


@pytest.mark.parametrize("optimizer", ["sgd", "rls_sgd"])
def test_the_guard_changes_no_training(optimizer: str) -> None:
    found = []
    for is_guarded in (True, False):
        classifier = OnlineClassifier(head(), params(online_optimizer=optimizer), generator())
        if not is_guarded:
            classifier.guard = lambda head, optimizer, train: train()  # type: ignore[assignment]
        classifier.learn_first_frame(memory().positives(), memory().negatives())
        for _ in range(3):
            classifier.update_regularly(memory())
        found.append(state(classifier))
    assert same(*found)


def test_errors_that_are_no_divergence_are_raised() -> None:
    classifier = OnlineClassifier(head(), params(), generator())

    def fail() -> Tensor:
        raise ValueError("something else")

    with pytest.raises(ValueError, match="something else"):
        classifier.guard(classifier.head, classifier.optimizer, fail)
    assert classifier.guard.num_rejected == 0


def test_same_generator_same_weights() -> None:
    found = []
    for seed, other in ((1, 5), (1, 6), (2, 5)):
        torch.manual_seed(other)
        classifier = OnlineClassifier(head(seed), params(), generator(seed))
        classifier.learn_first_frame(memory().positives(), memory().negatives())
        found.append(weights(classifier))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_sgd_is_clipped_and_learns_faster_in_the_last_layer() -> None:
    network, settings = head(), params(weight_decay=0.0)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimizer = make_sgd(network, 0.01, settings)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter) * 1000
    optimizer.step()
    gradient = 10 / sum(parameter.numel() for parameter in network.parameters()) ** 0.5
    for number, (parameter, old) in enumerate(zip(network.parameters(), before, strict=True)):
        rate = 0.1 if number >= 4 else 0.01
        torch.testing.assert_close(
            old - parameter.detach(), torch.full_like(old, rate * gradient), rtol=1e-3, atol=1e-6
        )


def alg1(online_optimizer: str, **changes: Any) -> OnlineClassifier:
    settings = params(weight_backup=True, regular_memory="short", online_optimizer=online_optimizer, **changes)
    classifier = OnlineClassifier(head(), settings, generator())
    classifier.learn_first_frame(memory().positives(), memory().negatives())
    return classifier


@pytest.mark.parametrize("optimizer", ["sgd", "rls_sgd"])
def test_occasional_updates_change_the_scores_and_not_the_backed_up_weights(optimizer: str) -> None:
    classifier = alg1(optimizer)
    kept, first = weights(classifier), scores(classifier)
    assert not classifier.has_backup
    classifier.update_occasionally(memory())
    second = scores(classifier)
    classifier.update_occasionally(memory())
    third = scores(classifier)
    assert classifier.has_backup
    assert same(weights(classifier), kept)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)  # on top of the first one, not from the backup again


@pytest.mark.parametrize("optimizer", ["sgd", "rls_sgd"])
def test_regular_updates_start_from_the_backup(optimizer: str) -> None:
    """After occasional updates a regular one gives what it gives without them; P and momentum know nothing of them."""
    undisturbed, disturbed = alg1(optimizer), alg1(optimizer)
    disturbed.update_occasionally(memory())
    disturbed.update_occasionally(memory())
    for classifier in (undisturbed, disturbed):
        classifier.generator.manual_seed(4)
        classifier.update_regularly(memory())
    assert not disturbed.has_backup
    assert same(weights(disturbed), weights(undisturbed))
    assert torch.equal(scores(disturbed), scores(undisturbed))
    if isinstance(disturbed.optimizer, RLSSGD):
        counts = [layer.inverse_correlation.num_updates for layer in disturbed.optimizer.layers]
        assert counts == [5 + 3] * 3  # first frame and one regular update


def test_without_backup_both_updates_change_the_same_weights() -> None:
    classifier = OnlineClassifier(head(), params(), generator())
    classifier.learn_first_frame(memory().positives(), memory().negatives())
    before = weights(classifier)
    classifier.update_occasionally(memory())
    assert not classifier.has_backup
    assert not same(weights(classifier), before)


def test_memories_of_the_updates() -> None:
    """RT-MDNet learns regularly from the long memory, the others from the short one; on failure all from the short."""
    seen: list[tuple[int, int]] = []

    class Recording(OnlineClassifier):
        def _train(self, head: Any, optimizer: Any, positives: Tensor, negatives: Tensor, iterations: int) -> None:
            seen.append((len(positives), len(negatives)))

    long = FrameMemory(100, 20)
    for _ in range(70):
        long.append(torch.zeros(2, DIM), torch.zeros(3, DIM))
    for regular_memory in ("long", "short"):
        classifier = Recording(head(), params(regular_memory=regular_memory), generator())
        classifier.update_regularly(long)
        classifier.update_occasionally(long)
    assert seen == [(140, 60), (40, 60), (40, 60), (40, 60)]


def test_updates_without_positives_do_nothing() -> None:
    classifier, empty = OnlineClassifier(head(), params(), generator()), FrameMemory(20, 20)
    empty.append(torch.zeros(0, DIM), torch.ones(5, DIM))
    before = weights(classifier)
    classifier.update_regularly(empty)
    classifier.update_occasionally(empty)
    assert same(weights(classifier), before)


@pytest.mark.parametrize("estimator", ["auto", "low_rank", "dense"])
def test_steps_with_p_are_right_for_the_length_of_the_trackers_features(estimator: str) -> None:
    """|x|²/δ of millions, as rls_rtmdnet_lite has. 1e-6 is left to the rounding of float32 inputs."""
    network, settings = head(), params(rls_delta=5e-4, rls_estimator=estimator)
    optimizer = make_rls_sgd(network, 0.003, settings)
    layer = optimizer.layers[0]
    for seed in range(30):
        optimizer.zero_grad()
        network(40 * torch.rand(128, DIM, generator=generator(seed))).square().mean().backward()
        inputs = layer.tap.inputs()
        assert inputs is not None
        x = inputs[0, 0].double()
        assert float(x.square().sum()) / 5e-4 > 4e6
        optimizer.step()
        assert float((layer.inverse_correlation.apply(x) * x).sum()) <= 1 + 1e-6


@pytest.mark.parametrize("estimator", ["auto", "low_rank", "dense"])
def test_golden_updates_of_the_trackers_own_head(estimator: str) -> None:
    """The optimizer as the tracker makes it, on golden case 10; tolerances of its README for float32."""
    case = golden("c10_rtmdnet.npz")
    recipe = fill_by_recipe(mdnet().state_dict(), case, "mdnet.")
    network = MDNetHead(4608, 512)
    renamed = {key.replace("layers.", "").replace("branches.0", "fc6"): value for key, value in recipe.items()}
    network.load_state_dict({key: renamed[key] for key in network.state_dict()})
    initial = network.fc6[1].weight.detach().clone()
    optimizer = make_rls_sgd(network, 1e-4, RTMDNetParams().replace(rls_estimator=estimator))
    positives = F.relu(case.normal("mdnet.rlspos", (96, 4608)) + 0.3)
    negatives = F.relu(case.normal("mdnet.rlsneg", (288, 4608)) - 0.1)
    labels = torch.cat((torch.ones(32, dtype=torch.long), torch.zeros(96, dtype=torch.long)))
    network.eval()  # golden case: no dropout
    for k in range(3):
        batch = torch.cat((positives[32 * k : 32 * k + 32], negatives[96 * k : 96 * k + 96]))
        loss = F.cross_entropy(network(batch), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert loss.item() == pytest.approx(float(case[f"f64_it{k}_loss"]), rel=1e-4)
    moved = (network.fc6[1].weight.detach() - initial).double()
    expected = case["f64_it2_d_fc6w"]
    assert (moved - expected).abs().max() <= 3e-3 * expected.abs().max()
