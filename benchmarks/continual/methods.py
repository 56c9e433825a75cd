"""Online learners that share a network, a loss and a stream, and differ in what they keep of the past.

Each is a small class: `step(batch)` learns a mini-batch, `end_task(task)` hears of a task's end (some need that; RLS
does not), `predict(x)` answers, `memory()` counts the bytes kept beside the weights.
"""

import copy
from collections import deque
from collections.abc import Callable
from typing import ClassVar

import torch
from tasks import Task
from torch import Tensor, nn
from torch.nn import functional as F

from rls import RLSSGD
from rls.virtual_input import linear_virtual_input

FLOAT = 4  # bytes
Loss = Callable[[Tensor, Tensor], Tensor]
Batch = tuple[Tensor, Tensor]
Grid = dict[str, tuple[float, ...]]


def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(scores, labels)


def squared_error(scores: Tensor, labels: Tensor) -> Tensor:
    """Half the squared distance to the one-hot label, mean over the batch."""
    return (scores - F.one_hot(labels, scores.shape[1])).square().sum(1).mean() / 2


class SGD:
    """Plain stochastic gradient descent."""

    grid: ClassVar[Grid] = {"lr": (0.003, 0.006, 0.01, 0.02, 0.03, 0.06, 0.1, 0.2, 0.3, 0.6, 1, 2)}

    def __init__(self, net: nn.Module, loss: Loss, lr: float) -> None:
        self.net = net
        self.loss = loss
        self.lr = lr

    def step(self, batch: Batch) -> None:
        self.net.zero_grad()
        self.objective(batch).backward()  # type: ignore[no-untyped-call]
        self.descend()

    def objective(self, batch: Batch) -> Tensor:
        x, y = batch
        return self.loss(self.net(x), y)

    @torch.no_grad()
    def descend(self) -> None:
        for parameter in self.net.parameters():
            assert parameter.grad is not None
            parameter.add_(parameter.grad, alpha=-self.lr)

    def end_task(self, task: Task) -> None:
        pass

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        labels: Tensor = self.net(x).argmax(1)
        return labels

    def memory(self) -> int:
        return 0


class EMA(SGD):
    """SGD; an exponential moving average of the weights answers."""

    grid: ClassVar[Grid] = {"lr": (0.03, 0.1, 0.3, 1), "decay": (0.99, 0.998, 0.9995)}

    def __init__(self, net: nn.Module, loss: Loss, lr: float, decay: float) -> None:
        super().__init__(net, loss, lr)
        self.decay = decay
        self.average = copy.deepcopy(net)

    @torch.no_grad()
    def descend(self) -> None:
        super().descend()
        for mean, parameter in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mean.lerp_(parameter, 1 - self.decay)

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        labels: Tensor = self.average(x).argmax(1)
        return labels

    def memory(self) -> int:
        return FLOAT * sum(parameter.numel() for parameter in self.average.parameters())


class SlidingWindow(SGD):
    """SGD on the newest samples: each step draws as many from the window as the mini-batch brings.

    130 samples take the memory of the two P of the multi-layer network.
    """

    grid: ClassVar[Grid] = {"lr": (0.03, 0.06, 0.1, 0.3), "samples": (32, 64, 130)}

    def __init__(self, net: nn.Module, loss: Loss, lr: float, samples: float) -> None:
        super().__init__(net, loss, lr)
        self.window: deque[tuple[Tensor, Tensor]] = deque(maxlen=int(samples))
        self.generator = torch.Generator().manual_seed(0)

    def objective(self, batch: Batch) -> Tensor:
        self.window.extend(zip(*batch, strict=True))
        drawn = torch.randint(len(self.window), (len(batch[0]),), generator=self.generator).tolist()
        old = [self.window[index] for index in drawn]
        x, y = (torch.cat((new, torch.stack(past))) for new, past in zip(batch, zip(*old, strict=True), strict=True))
        return self.loss(self.net(x), y)

    def memory(self) -> int:
        assert self.window.maxlen is not None
        return self.window.maxlen * (FLOAT * self.window[0][0].numel() + 1)


class RLS(SGD):
    """Gradients multiplied by the inverse correlation matrix of all inputs, by their virtual input."""

    grid: ClassVar[Grid] = {"lr": (0.1, 0.3, 1), "delta": (0.3, 1, 3, 10)}
    block = "virtual"
    estimator = "dense"
    max_rank = 20  # of the low-rank form

    def __init__(self, net: nn.Module, loss: Loss, lr: float, delta: float) -> None:
        super().__init__(net, loss, lr)
        self.optimizer = RLSSGD(net, lr, delta, block=self.block, estimator=self.estimator, max_rank=self.max_rank)

    def descend(self) -> None:
        self.optimizer.step()

    def memory(self) -> int:
        states = (layer.inverse_correlation.state_dict().values() for layer in self.optimizer.layers)
        return sum(value.nbytes for state in states for value in state if isinstance(value, Tensor))


class ExactRLS(RLS):
    """The same with every sample in P."""

    block = "exact"


class BoundedRLS(RLS):
    """Every sample in a P of at most 20 directions a layer: less memory than a copy of the multi-layer network."""

    block = "exact"
    estimator = "low_rank"


class OWM(SGD):
    """Orthogonal weight modification (Zeng et al., 2019): gradients projected away from the inputs of earlier tasks.

    The projector takes in the mean inputs of a task's mini-batches when the task is over.
    """

    grid: ClassVar[Grid] = {"lr": (0.03, 0.1, 0.3), "alpha": (0.01, 0.1, 1, 10)}

    def __init__(self, net: nn.Module, loss: Loss, lr: float, alpha: float) -> None:
        super().__init__(net, loss, lr)
        self.alpha = alpha
        self.layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
        self.projectors = [torch.eye(layer.in_features + 1) for layer in self.layers]

    @torch.no_grad()
    def descend(self) -> None:
        for layer, P in zip(self.layers, self.projectors, strict=True):
            assert layer.weight.grad is not None
            assert layer.bias.grad is not None
            step = torch.cat((layer.weight.grad, layer.bias.grad[:, None]), dim=1) @ P
            layer.weight.grad.copy_(step[:, :-1])
            layer.bias.grad.copy_(step[:, -1])
        super().descend()

    @torch.no_grad()
    def end_task(self, task: Task) -> None:
        inputs: list[Tensor] = []
        hooks = [layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0])) for layer in self.layers]
        for x in task.train_x.split(10):
            inputs.clear()
            self.net(x)
            for index, (P, seen) in enumerate(zip(self.projectors, inputs, strict=True)):
                mean = linear_virtual_input(seen, bias=True)
                gain = P @ mean
                self.projectors[index] = P - torch.outer(gain, gain) / (self.alpha + mean @ gain)
        for hook in hooks:
            hook.remove()

    def memory(self) -> int:
        return FLOAT * sum(P.numel() for P in self.projectors)


class OnlineEWC(SGD):
    """Online elastic weight consolidation (Schwarz et al., 2018): a quadratic pull to the weights after the last task.

    Its strength is the diagonal of the Fisher information, added up over tasks.
    """

    grid: ClassVar[Grid] = {"lr": (0.01, 0.03, 0.1), "strength": (10, 100, 1000, 10000)}

    def __init__(self, net: nn.Module, loss: Loss, lr: float, strength: float) -> None:
        super().__init__(net, loss, lr)
        self.strength = strength
        self.fisher = [torch.zeros_like(parameter) for parameter in net.parameters()]
        self.anchor = [parameter.detach().clone() for parameter in net.parameters()]

    @torch.no_grad()
    def descend(self) -> None:
        for parameter, fisher, anchor in zip(self.net.parameters(), self.fisher, self.anchor, strict=True):
            assert parameter.grad is not None
            pull = self.lr * self.strength * fisher  # implicit in the pull, or large strengths diverge
            parameter.copy_((parameter - self.lr * parameter.grad + pull * anchor) / (1 + pull))

    def end_task(self, task: Task) -> None:
        for x in task.train_x:
            self.net.zero_grad()
            scores = self.net(x[None])
            F.cross_entropy(scores, scores.argmax(1)).backward()  # type: ignore[no-untyped-call]
            for fisher, parameter in zip(self.fisher, self.net.parameters(), strict=True):
                assert parameter.grad is not None
                fisher.addcmul_(parameter.grad, parameter.grad, value=1 / len(task.train_x))
        self.anchor = [parameter.detach().clone() for parameter in self.net.parameters()]

    def memory(self) -> int:
        return 2 * FLOAT * sum(fisher.numel() for fisher in self.fisher)


METHODS: dict[str, type[SGD]] = {
    "SGD": SGD,
    "SGD + EMA": EMA,
    "sliding window": SlidingWindow,
    "RLS, virtual input": RLS,
    "RLS, exact block": ExactRLS,
    "RLS, rank 20": BoundedRLS,
    "OWM": OWM,
    "online EWC": OnlineEWC,
}
