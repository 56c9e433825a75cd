"""A GPU on paper: whole trackers run on tensors of a CUDA device that have shapes but no numbers.

What is on the host is real. Tensors of two devices in one operation are an error, as on a GPU, and every wait of the
host for the device is on record; what is read is made up.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from tests.rls.no_reads import PromisingVerdict

aten = torch.ops.aten
DEVICE = "cuda:7"  # hardly one that there is: what trackers keep for it for good is of no use to others
_ROOT = Path(__file__).parents[1]
_MODE = FakeTensorMode(allow_non_fake_inputs=True)  # one for all: tensors that are kept must meet no others


class PaperCuda(TorchDispatchMode):
    """Within, tensors on `DEVICE` have no numbers; `waits` has the line of each wait of the host."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        leaves = tree_leaves((args, dict(kwargs)))
        device = next((leaf for leaf in leaves if isinstance(leaf, torch.device)), None)
        if any(isinstance(leaf, FakeTensor) for leaf in leaves):
            return self._on_device(function, args, kwargs, device)
        if device is None or device.type != "cuda":
            return function(*args, **kwargs)
        if any(isinstance(leaf, Tensor) for leaf in leaves) and not any(leaf is True for leaf in leaves):
            self._wait()  # a copy to the device that is not `non_blocking`
        with _MODE:
            args, kwargs = tree_map_only(Tensor, _MODE.from_tensor, (args, dict(kwargs)))
            return function(*args, **kwargs)

    def _on_device(self, function: Any, args: Any, kwargs: Any, device: torch.device | None) -> Any:
        kind, first = function.overloadpacket, args[0]
        if kind in (aten._local_scalar_dense, aten.item, aten.is_nonzero):
            self._wait()
            return 0.5 if first.is_floating_point() else 1
        if device is not None and device.type == "cpu":
            self._wait()
            return torch.rand(first.shape).to(kwargs.get("dtype") or first.dtype)
        if kind is aten.copy_ and not isinstance(first, FakeTensor):
            raise AssertionError("a tensor of the device was copied into one of the host")
        try:
            with _MODE:
                return function(*args, **kwargs)
        except DynamicOutputShapeException:  # a shape that depends on numbers: on those of zeros
            self._wait()
            args, kwargs = tree_map_only(FakeTensor, _zeros, (args, kwargs))
            result = function(*args, **kwargs)
            with _MODE:
                return tree_map_only(Tensor, lambda made: _MODE.from_tensor(made).to(DEVICE), result)

    def _wait(self) -> None:
        lines = [
            frame
            for frame in traceback.extract_stack()
            if Path(frame.filename).is_relative_to(_ROOT) and "site-packages" not in frame.filename
        ]
        place = next(frame for frame in reversed(lines) if frame.filename != __file__)
        self.waits.append(f"{place.filename}:{place.lineno} {place.line}")


def _zeros(tensor: Tensor) -> Tensor:
    return torch.zeros(tensor.shape, dtype=tensor.dtype)


@contextmanager
def paper_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[PaperCuda]:
    """Where no gradient is needed, or the code asks for it by `Tensor.backward`: it is zero then."""
    monkeypatch.setattr("rls.base.Verdict", PromisingVerdict)
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: self)
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    _without_engine(monkeypatch)
    torch._C._ensureCUDADeviceGuardSet()  # type: ignore[attr-defined]
    torch._C._set_only_lift_cpu_tensors(True)  # type: ignore[attr-defined]  # torch.tensor(..., device=...) is seen then
    try:
        with PaperCuda() as mode:
            yield mode
    finally:
        torch._C._set_only_lift_cpu_tensors(False)  # type: ignore[attr-defined]


def _without_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backward passes without autograd's engine, which needs a real device: hooks are called, gradients are zero."""
    hooks: list[tuple[Tensor, Callable[[Tensor], object]]] = []
    passes = 0

    def backward(loss: Tensor) -> None:
        nonlocal passes
        passes += 1
        for tensor, hook in hooks:
            hook(torch.zeros_like(tensor.detach()))
        hooks.clear()
        seen, waiting = set(), [loss.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if hasattr(node, "variable"):
                node.variable.grad = torch.zeros_like(node.variable)
            waiting += [following for following, _ in node.next_functions]

    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(Tensor, "register_hook", lambda tensor, hook: hooks.append((tensor, hook)))
    monkeypatch.setattr(torch._C, "_current_graph_task_id", lambda: passes)
