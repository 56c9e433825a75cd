"""What the machine can do at best, and what the work asks of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


def synchronize(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def best_seconds(action: Callable[[], object], device: torch.device, repeats: int = 10) -> float:
    """The shortest of several times, after a warm-up."""
    seconds = []
    for _ in range(repeats + 2):
        synchronize(device)
        start = perf_counter()
        action()
        synchronize(device)
        seconds.append(perf_counter() - start)
    return min(seconds[2:])


def ceilings(device: torch.device) -> dict[str, float]:
    """Operations per second of a large matrix product, in several dtypes, and bytes per second of a large copy."""
    size = 1536 if device.type == "cpu" else 8192
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.randn(size, size, device=device).to(dtype)
        found[f"gemm_{str(dtype)[6:]}_flops"] = 2 * size**3 / best_seconds(lambda m=matrix: m @ m, device)  # type: ignore[misc]
    source = torch.empty(2**26 if device.type == "cpu" else 2**29, device=device).uniform_()
    target = torch.empty_like(source)
    found["stream_bytes"] = 2 * source.nbytes / best_seconds(lambda: target.copy_(source), device)
    return found


class WorkCounter(TorchDispatchMode):
    """Operations of products and convolutions, and the bytes that each operator reads and writes, by stage."""

    def __init__(self, stage: Callable[[], str]) -> None:
        super().__init__()
        self._stage = stage
        self.flops: dict[str, float] = defaultdict(float)
        self.bytes: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        stage = self._stage()
        if func._overloadpacket in flop_registry:
            self.flops[stage] += flop_registry[func._overloadpacket](*args, **kwargs, out_val=result)
        if not func.is_view:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
            self.bytes[stage] += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result
