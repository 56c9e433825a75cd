"""Proof that code on a GPU goes on without the host waiting for a number, on machines with and without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from rls.verdicts import Verdict

aten = torch.ops.aten
READS = {
    *(aten._local_scalar_dense, aten.is_nonzero, aten.equal),  # one number
    *(aten.nonzero, aten.masked_select, aten._unique2, aten.unique_dim),  # a shape
    *(aten._linalg_check_errors, aten._linalg_eigh, aten._linalg_svd),  # whether it went well
}


class HostReadError(AssertionError):
    """An operation that would make the host wait for the device, or the device for the host."""


class NoReads(TorchDispatchMode):
    """Raises HostReadError at every operation that waits on a CUDA device; on CPU tensors, that would wait there."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        kind = function.overloadpacket
        reads = kind in READS
        if kind in (aten.index, aten.index_put, aten.index_put_):
            reads = any(isinstance(index, Tensor) and index.dtype == torch.bool for index in args[1])
        elif kind is aten._to_copy:
            reads = torch.device(kwargs.get("device") or args[0].device).type != args[0].device.type
        elif kind is aten.copy_ and args[0].device != args[1].device:
            without_waiting = kwargs.get("non_blocking", len(args) > 2 and args[2])
            reads = not (without_waiting and args[0].device.type == "cpu")
        if reads:
            raise HostReadError(f"{function} waits for the device")
        return function(*args, **kwargs)


class PromisingVerdict(Verdict):
    """A verdict on tensors without numbers: all is well, the direction was new in every second."""

    made = 0

    def __init__(self, numbers: Tensor) -> None:
        assert numbers.device.type == "cuda"
        assert numbers.ndim == 1
        type(self).made += 1
        self._promised = [1.0, 2.0, 1.0, float(self.made % 2)][: len(numbers)]

    def read(self) -> list[float]:
        return self._promised


@contextmanager
def fake_cuda(monkeypatch: Any) -> Iterator[None]:
    """Tensors made on "cuda" within are shapes without numbers, and every read of one is an error."""
    monkeypatch.setattr("rls.base.Verdict", PromisingVerdict)
    with FakeTensorMode(), NoReads():
        yield
