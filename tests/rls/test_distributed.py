"""Two processes with half of the batch each are one process with all of it."""

import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rls import RLSSGD

STEPS = 4


def make_net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv1d(2, 4, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4, 3)).double()


def batches() -> torch.Tensor:
    return torch.randn(STEPS, 8, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def train(net: nn.Module, block: str, part: slice) -> dict[str, torch.Tensor]:
    optimizer = RLSSGD(net, 0.05, 0.5, 0.9, block=block)
    for batch in batches():
        optimizer.zero_grad()
        (net(batch[part]) - 1).square().sum(1).mean().backward()
        optimizer.step()
    inner = net.module if isinstance(net, DistributedDataParallel) else net
    return {name: parameter.detach().clone() for name, parameter in inner.named_parameters()}


def worker(rank: int, port: int, block: str, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        torch.save(train(DistributedDataParallel(make_net()), block, slice(4 * rank, 4 * rank + 4)), folder / str(rank))
        dist.barrier()  # a process that ends while the other one still talks to it aborts now and then
    finally:
        dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="this PyTorch was built without torch.distributed")
@pytest.mark.parametrize("block", ["virtual", "exact"])
def test_two_processes_are_one(block: str, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.spawn(worker, (port, block, tmp_path), nprocs=2)
    expected = train(make_net(), block, slice(None))
    for rank in (0, 1):
        torch.testing.assert_close(torch.load(tmp_path / str(rank), weights_only=True), expected)
