"""Settings of a toy: a small network with dropout learns a line through noisy points."""

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ltr.trainers.options import TrainingOptions
from ltr.trainers.task import TrainingTask


@dataclass(kw_only=True)
class Options(TrainingOptions):
    epochs: int = 3
    batch_size: int = 4
    val_interval: int = 2
    num_workers: int | None = 0
    tensorboard: bool = False
    num_samples: int = 22
    lr: float = 0.05
    dropout: float = 0.3
    bad: tuple[int, ...] = ()  # samples that count as unreadable
    nan: tuple[int, ...] = ()  # samples whose input is not a number
    seconds: float = 0.0  # to prepare a sample


class ToyNet(nn.Sequential):
    """Linear, dropout, linear."""


def toy_net(dropout: float = 0.3, hidden: int = 8) -> ToyNet:
    return ToyNet(
        nn.Linear(3, hidden), nn.Dropout(dropout), nn.BatchNorm1d(hidden).eval(), nn.ReLU(), nn.Linear(hidden, 1)
    )


class ToyActor(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def train(self, mode: bool = True) -> "ToyActor":
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):  # its statistics differ between one process and several
                module.eval()
        return self

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        error = self.net(batch["x"]).flatten() - batch["y"]
        loss = error.square().mean()
        return loss, {"loss": loss.detach(), "distance": error.detach().abs().mean()}


class ToySet(Dataset[dict[str, Any]]):
    """Points of a line; the noise is drawn from the global generator."""

    def __init__(self, options: Options) -> None:
        self.options, self.epoch = options, -1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def sample_name(self, index: int) -> str:
        return f"point-{index}"

    def __len__(self) -> int:
        return self.options.num_samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self.options.seconds:
            time.sleep(self.options.seconds)
        x = torch.randn(3) * (float("nan") if index in self.options.nan else 1)
        return {"x": x, "y": x.sum() + 0.1 * torch.randn(()), "num_bad": torch.tensor(int(index in self.options.bad))}


def build(options: Options) -> TrainingTask:
    net = toy_net(options.dropout)
    return TrainingTask(
        actor=ToyActor(net),
        architecture="toy_net",
        architecture_kwargs={"dropout": options.dropout},
        train_set=ToySet(options),
        val_set=ToySet(options),
        parameter_groups=[
            {"params": net[0].parameters(), "lr": options.lr, "name": "first"},
            {"params": [*net[2].parameters(), *net[4].parameters()], "lr": options.lr / 2, "name": "rest"},
        ],
        schedule=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5),
    )
