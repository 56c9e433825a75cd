"""What a settings module builds from its options; the trainer needs nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import Dataset, default_collate


@dataclass(kw_only=True)
class TrainingTask:
    """A network with its data, its losses and its optimizer."""

    # Called with a batch: returns the loss, a scalar, and detached scalars by name, which are averaged over samples.
    # Its `net` is what is saved for tracking; its whole state is what a training continues from.
    actor: nn.Module
    architecture: str | None  # constructor of `actor.net`, by which `load_network` builds it
    architecture_kwargs: dict[str, Any] = field(default_factory=dict)  # JSON values
    train_set: Dataset[Any]  # of a length; `set_epoch(epoch)` is called where there is one
    val_set: Dataset[Any] | None = None
    collate: Callable[[list[Any]], Any] = default_collate  # samples to a batch: a dict of tensors, also nested
    # For the optimizer: {"params": ..., "lr": ..., "name": ...}; None: all parameters of the actor that are trained.
    parameter_groups: list[dict[str, Any]] | None = None
    optimizer: Callable[[list[dict[str, Any]]], Optimizer] = torch.optim.Adam
    schedule: Callable[[Optimizer], LRScheduler] | None = None
    schedule_step: Literal["epoch", "iteration"] = "epoch"
    find_unused_parameters: bool = False  # set it where an iteration leaves trained parameters out (several processes)
