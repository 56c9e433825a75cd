"""Training of fc4-6 on stored features: batches, hard negatives, the optimizers, and the two kinds of online update."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from ltr.common.transfer import upload
from ltr.models.loss.mdnet_loss import binary_classification_loss
from ltr.models.tracking.mdnet import MDNetHead
from pytracking.tracker.rtmdnet.params import RTMDNetParams
from pytracking.tracker.rtmdnet.sample_memory import FrameMemory
from pytracking.tracker.rtmdnet.training_guard import TrainingGuard
from rls import RLSSGD


def batches(
    num_samples: int,
    batch_size: int,
    num_batches: int,
    generator: torch.Generator,
) -> Iterator[Tensor]:  # of (batch_size,) indices
    """Indices by running permutation: every sample comes once before any comes again."""
    needed = batch_size * num_batches
    permutations = [torch.randperm(num_samples, generator=generator) for _ in range(-(-needed // max(num_samples, 1)))]
    indices = torch.cat(permutations)[:needed]
    return iter(indices.view(num_batches, -1))


@torch.no_grad()
def hardest(head: nn.Module, candidates: Tensor, num: int) -> Tensor:  # (m, D) -> (num, D)
    """The candidates with the highest target score, without dropout."""
    if len(candidates) <= num:
        return candidates
    training = head.training
    scores = head.eval()(candidates)[:, 1]
    head.train(training)
    return candidates[scores.topk(num).indices]


@torch.enable_grad()
def fine_tune(
    head: nn.Module,
    optimizer: Optimizer,
    positives: Tensor,  # (n, D)
    negatives: Tensor,  # (m, D)
    iterations: int,
    params: RTMDNetParams,
    generator: torch.Generator,
) -> Tensor:  # (iterations,), on the device of the samples: a GPU goes on while the next step is prepared
    """Mini-batch descent on positive samples and mined negative ones; returns the losses before each step.

    Without samples of one kind only the other is learnt from.
    """
    head.train()
    losses = []
    positive_batches = batches(len(positives), params.batch_positives, iterations, generator)
    negative_batches = batches(len(negatives), params.batch_negative_candidates, iterations, generator)
    for chosen, candidates in zip(positive_batches, negative_batches, strict=True):
        positive = positives[upload(chosen, positives.device)]
        negative = hardest(head, negatives[upload(candidates, negatives.device)], params.batch_negatives)
        logits = head(torch.cat((positive, negative)))
        loss = binary_classification_loss(logits[: len(positive)], logits[len(positive) :])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    head.eval()
    return torch.stack(losses) if losses else positives.new_empty(0)


def make_sgd(head: MDNetHead, learning_rate: float, params: RTMDNetParams) -> Optimizer:
    """SGD with momentum on clipped gradients; fc6 learns faster."""
    groups = [{"params": part.parameters(), "lr": rate} for part, rate in _rates(head, learning_rate, params)]
    optimizer = SGD(groups, lr=learning_rate, momentum=params.momentum, weight_decay=params.weight_decay)
    optimizer.register_step_pre_hook(partial(_clip_gradients, list(head.parameters()), params.max_grad_norm))
    return optimizer


def make_rls_sgd(head: MDNetHead, learning_rate: float, params: RTMDNetParams) -> RLSSGD:
    """The same with the inverse correlation matrix of each layer (Eq. 33), on inputs before their dropout."""
    return RLSSGD(
        [
            {"model": part, "lr": rate, "estimator": form}
            for (part, rate), form in zip(_rates(head, learning_rate, params), _forms_of_inverse(params), strict=True)
        ],
        lr=learning_rate,
        delta=params.rls_delta,
        beta=params.rls_beta,
        momentum=params.momentum,
        weight_decay=params.weight_decay,
        weight_decay_mode=params.rls_weight_decay_mode,
        max_grad_norm=params.max_grad_norm,
        max_rank=params.rls_max_rank,
        input_modules=head.input_modules,
    )


def _forms_of_inverse(params: RTMDNetParams) -> tuple[str, str, str]:
    """Form of P for fc4, fc5 and fc6: a dense P of a few hundred rows is cheaper than its low-rank form."""
    if params.rls_estimator == "auto":
        return "low_rank", "dense", "dense"
    return (params.rls_estimator,) * 3


def make_optimizer(head: MDNetHead, learning_rate: float, params: RTMDNetParams) -> Optimizer:
    """Optimizer of the first frame and of regular updates."""
    make = make_rls_sgd if params.online_optimizer == "rls_sgd" else make_sgd
    return make(head, learning_rate, params)


def set_learning_rate(optimizer: Optimizer, learning_rate: float, params: RTMDNetParams) -> None:
    """New learning rate, without the momentum gathered at the old one; P stays."""
    for group, factor in zip(optimizer.param_groups, _factors(params), strict=True):
        group["lr"] = learning_rate * factor
    optimizer.state.clear()


def _rates(head: MDNetHead, learning_rate: float, params: RTMDNetParams) -> list[tuple[nn.Module, float]]:
    factors = _factors(params)
    return [(part, learning_rate * factor) for part, factor in zip(head.children(), factors, strict=True)]


def _factors(params: RTMDNetParams) -> tuple[float, float, float]:
    return 1.0, 1.0, params.fc6_learning_rate_factor


def _clip_gradients(parameters: list[nn.Parameter], max_norm: float, *_: Any) -> None:
    nn.utils.clip_grad_norm_(parameters, max_norm)


class OnlineClassifier:
    """fc4-6 of one video with their optimizer, and the copy that occasional updates change (Alg. 1).

    Alg. 1 keeps the weights in a backup while occasional updates change them, and restores them before the next
    regular update. Here the copy is what changes, and is dropped then: the same weights at every time, and the
    optimizer of the regular updates sees nothing of the occasional ones.
    """

    def __init__(self, head: MDNetHead, params: RTMDNetParams, generator: torch.Generator) -> None:
        self.head = head
        self.params = params
        self.generator = generator
        self.optimizer = make_optimizer(head, params.init_learning_rate, params)
        self.losses: Tensor | None = None  # of the last training that was not undone
        self.guard = TrainingGuard()
        self._temporary: tuple[MDNetHead, Optimizer] | None = None

    @property
    def has_backup(self) -> bool:
        """Whether the weights in use are those of occasional updates, to be discarded."""
        return self._temporary is not None

    @torch.no_grad()
    def score(self, features: Tensor) -> Tensor:  # (n, D) -> (n,)
        """Logit of the target."""
        head = self.head if self._temporary is None else self._temporary[0]
        scores: Tensor = head(features)[:, 1]
        return scores

    def learn_first_frame(self, positives: Tensor, negatives: Tensor) -> None:
        self._train(self.head, self.optimizer, positives, negatives, self.params.init_iterations)
        set_learning_rate(self.optimizer, self.params.update_learning_rate, self.params)

    def update_regularly(self, memory: FrameMemory) -> None:
        """Learn from the regular memory, with the weights from before occasional updates where there is a backup."""
        self._temporary = None
        frames = self.params.short_term_frames if self.params.regular_memory == "short" else None
        self._update(self.head, self.optimizer, memory, frames)

    def update_occasionally(self, memory: FrameMemory) -> None:
        """Learn from the last frames after the target was lost."""
        if self.params.weight_backup and self._temporary is None:
            copy = MDNetHead(self.head.feature_dim, self.head.hidden_dim, self.generator)
            copy.load_state_dict({name: own.clone() for name, own in self.head.state_dict().items()}, assign=True)
            self._temporary = copy, make_sgd(copy, self.params.update_learning_rate, self.params)
        head, optimizer = self._temporary or (self.head, self.optimizer)
        self._update(head, optimizer, memory, self.params.short_term_frames)

    def _update(self, head: MDNetHead, optimizer: Optimizer, memory: FrameMemory, frames: int | None) -> None:
        self._train(head, optimizer, memory.positives(frames), memory.negatives(), self.params.update_iterations)

    def _train(
        self, head: MDNetHead, optimizer: Optimizer, positives: Tensor, negatives: Tensor, iterations: int
    ) -> None:
        if len(positives):  # only negatives would teach that nothing is the target
            samples = (positives, negatives, iterations, self.params, self.generator)
            losses = self.guard(head, optimizer, lambda: fine_tune(head, optimizer, *samples))
            self.losses = self.losses if losses is None else losses
