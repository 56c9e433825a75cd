"""Inputs of layers over the processes of a DistributedDataParallel model.

Its gradient is the mean over the processes of each one's gradient, so every process counts the same, whatever the size
of its part of the batch.
"""

import math
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


def mean_over_processes(
    inputs: Sequence[Tensor | None],  # of each layer, None where this process has not called it
    shapes: Sequence[tuple[int, ...]],
    like: Tensor,  # device of the exchange
    group: dist.ProcessGroup | None,
) -> list[Tensor | None]:
    """Mean of each input over the processes that have one, exchanged at once; None where none has."""
    present = [float(x is not None) for x in inputs]
    flat = [
        torch.zeros(math.prod(shape), device=like.device, dtype=torch.float64) if x is None else x.flatten().double()
        for x, shape in zip(inputs, shapes, strict=True)
    ]
    message = torch.cat([torch.tensor(present, device=like.device, dtype=torch.float64), *flat])
    dist.all_reduce(message, group=group)
    counts, *sums = torch.split(message, [len(inputs), *map(math.prod, shapes)])
    return [
        (total / count).reshape(shape) if count > 0 else None
        for total, count, shape in zip(sums, counts, shapes, strict=True)
    ]


def gathered_rows(
    rows: Tensor,  # (b, groups, p), b may differ between processes
    group: dist.ProcessGroup | None,
) -> Tensor:
    """The rows of all processes, divided by the root of their number, (Σ b, groups, p)."""
    world = dist.get_world_size(group)
    sizes = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(world)]
    dist.all_gather(sizes, torch.tensor([len(rows)], device=rows.device), group=group)
    counts = [int(size) for size in sizes]
    room = rows.new_zeros(max(counts), *rows.shape[1:])
    room[: len(rows)] = rows
    every = [torch.empty_like(room) for _ in range(world)]
    dist.all_gather(every, room, group=group)
    return torch.cat([part[:count] for part, count in zip(every, counts, strict=True)]) / math.sqrt(world)
