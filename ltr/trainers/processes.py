"""The processes of a training: this one alone, or several started by torchrun that each take a part of every batch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ltr.common.errors import InputError
from ltr.common.provenance import check_device

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """Which one this is, of how many, and its device."""

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and speaks to the user."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Sum over the processes."""
        if self.count > 1:
            values = values.to(self.device)
            dist.all_reduce(values)
        return values.cpu()

    def gather(self, value: T) -> list[T]:
        """The value of each process, in all of them."""
        if self.count == 1:
            return [value]
        values: list[T | None] = [None] * self.count
        dist.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def by_first(self, action: Callable[[], T]) -> T:
        """Result of what the first process alone does, in all of them; so are its errors."""
        if self.count == 1:
            return action()
        outcome: list[T | Exception | None] = [None]
        if self.is_first:
            try:
                outcome = [action()]
            except Exception as error:  # the others would wait for ever
                outcome = [error]
        dist.broadcast_object_list(outcome)
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]  # type: ignore[return-value]

    def parallel(self, actor: nn.Module, find_unused_parameters: bool) -> nn.Module:
        """The actor with gradients averaged over the processes, and on GPUs batch statistics of the whole batch."""
        if self.count == 1 or not any(parameter.requires_grad for parameter in actor.parameters()):
            return actor
        if self.device.type == "cuda":
            actor = nn.SyncBatchNorm.convert_sync_batchnorm(actor)
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(actor, device_ids=devices, find_unused_parameters=find_unused_parameters)


@contextlib.contextmanager
def start_processes(device: str | None) -> Iterator[Processes]:
    """Join the other processes, if torchrun started several. Raises InputError for a device that is not there."""
    check_device(device)
    kind = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes(kind)
        return
    if kind.type == "cuda":
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise InputError(f"{count} processes, but {torch.cuda.device_count()} GPUs here; start one per GPU")
        kind = torch.device("cuda", local)
        torch.cuda.set_device(kind)
    dist.init_process_group("nccl" if kind.type == "cuda" else "gloo")
    try:
        yield Processes(kind, dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
