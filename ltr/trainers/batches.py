"""Batches of an epoch: which samples, in which order, and their loading."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from ltr.common.errors import InputError
from ltr.common.interruption import leave_to_parent
from ltr.trainers.processes import Processes
from ltr.trainers.randomness import SeededDataset, Stream, derive_seed

MAX_WORKERS = 8


class BatchSampler(Sampler[list[int]]):
    """Indices of the samples of each batch of an epoch, for one of several processes.

    The whole batch, `batch_size` for each process, is the next piece of the epoch's order; a process takes its part of
    that piece. For training the order is a permutation that depends on seed and epoch, and the rest that fills no
    batch is left out; for validation all samples come in their own order.
    """

    def __init__(self, num_samples: int, batch_size: int, processes: Processes, seed: int, training: bool) -> None:
        """Raises InputError where the samples do not fill one batch of a training."""
        self.num_samples, self.batch_size, self.processes = num_samples, batch_size, processes
        self.seed, self.training = seed, training
        self.epoch = self.first = 0
        whole = batch_size * processes.count
        self.num_batches = num_samples // whole if training else -(-num_samples // whole)
        if self.num_batches == 0:
            raise InputError(
                f"{num_samples} samples do not fill one batch of {whole}; give more data or a smaller batch_size"
            )

    def start(self, epoch: int, first: int = 0) -> None:
        """Iterate over this epoch, from batch number `first` on."""
        self.epoch, self.first = epoch, first

    def __len__(self) -> int:
        return self.num_batches - self.first

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order()
        for number in range(self.first, self.num_batches):
            begin = (number * self.processes.count + self.processes.rank) * self.batch_size
            if part := order[begin : begin + self.batch_size].tolist():
                yield part

    def _order(self) -> Tensor:  # (num_samples,)
        if not self.training:
            return torch.arange(self.num_samples)
        generator = torch.Generator().manual_seed(derive_seed(self.seed, Stream.ORDER, self.epoch))
        return torch.randperm(self.num_samples, generator=generator)


class BatchLoader:
    """Batches of a data set, prepared by worker processes."""

    def __init__(
        self,
        dataset: SeededDataset,
        collate: Callable[[list[Any]], Any],
        batch_size: int,
        processes: Processes,
        *,
        training: bool,
        num_workers: int | None,
    ) -> None:
        self.dataset, self.collate, self.device = dataset, collate, processes.device
        self.sampler = BatchSampler(len(dataset), batch_size, processes, dataset.seed, training)
        self.num_workers = default_workers() if num_workers is None else num_workers

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[list[int], Any]]:
        """Indices and batch, on the device, of each batch of the epoch from number `first` on."""
        self.dataset.set_epoch(epoch)
        self.sampler.start(epoch, first)
        # The workers begin anew in every epoch, so that they hold the data set as it is in that epoch.
        loader = DataLoader(
            self.dataset,
            batch_sampler=self.sampler,
            num_workers=self.num_workers,
            collate_fn=self.collate,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=prepare_worker,
            # Workers that are children of this process end when it is killed; those of a fork server would stay.
            multiprocessing_context="fork" if self.num_workers and sys.platform == "linux" else None,
        )
        for indices, batch in zip(self.sampler, loader, strict=True):
            yield indices, to_device(batch, self.device)


def default_workers() -> int:
    """One worker per core of this process but one, which trains; the processes of torchrun share the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(max(cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")) - 1, 1), MAX_WORKERS)


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with its tensors on a device; dicts, lists and tuples are gone through, the rest stays as it is."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


def prepare_worker(_worker: int) -> None:
    """Called in each worker process."""
    leave_to_parent()  # the trainer still needs its workers to end the iteration
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)  # the workers share the cores already
