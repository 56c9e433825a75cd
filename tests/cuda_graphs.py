"""CUDA graphs without CUDA: a tape of operations that is played again, and a guard against what no graph can record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten


class NothingOfTheHost(TorchDispatchMode):
    """Fails where an operation takes or makes a tensor of the host, or makes one from the host's numbers."""

    # The first comes with torch.tensor and its like; the others make a tensor of their number, in some releases on the
    # host.
    barred = (aten.lift_fresh.default, aten.where.ScalarOther, aten.where.ScalarSelf, aten.where.Scalar)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func not in self.barred, f"{func} is no work of the device alone"
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            assert not isinstance(leaf, Tensor) or leaf.device.type != "cpu", f"{func} with a tensor of the host"
        return result


class Tape(TorchDispatchMode):
    """Writes down each operation with its very tensors; `play` repeats them there, and no line of Python."""

    def __init__(self) -> None:
        super().__init__()
        self._operations: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self._made: dict[int, Tensor] = {}  # on the tape, by address
        self._before: dict[int, tuple[Tensor, Tensor]] = {}  # what was there and is written to, as it was

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        arguments = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        for parameter, value in zip(func._schema.arguments, args, strict=False):
            if parameter.alias_info is not None and parameter.alias_info.is_write:
                self._keep(value)
        result = func(*args, **kwargs)
        old = {_address(tensor) for tensor in arguments}
        results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self._made.update({_address(tensor): tensor for tensor in results if _address(tensor) not in old})
        self._operations.append((func, args, kwargs, results))
        return result

    def _keep(self, written: Tensor) -> None:
        address = _address(written)
        if address not in self._made and address not in self._before:
            whole = torch.empty(0, dtype=written.dtype).set_(written.untyped_storage())  # type: ignore[call-overload]
            self._before[address] = whole, whole.clone()

    def rewind(self) -> None:
        """A capture does nothing: what it wrote to is again what it was, and what it made is not to be relied on."""
        for whole, values in self._before.values():
            whole.copy_(values)
        for tensor in self._made.values():
            tensor.fill_(torch.nan if tensor.is_floating_point() else 1)

    def play(self) -> None:
        for func, args, kwargs, results in self._operations:
            again = [leaf for leaf in tree_leaves(func(*args, **kwargs)) if isinstance(leaf, Tensor)]
            for tensor, value in zip(results, again, strict=True):
                if _address(tensor) != _address(value):  # else it is a view, or was changed in place
                    tensor.copy_(value)


def _address(tensor: Tensor) -> int:
    return id(tensor) if tensor.is_mkldnn else tensor.untyped_storage().data_ptr()


class TapeRecorder:
    """Stands in for `capture_cuda`."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(
        self, function: Callable[[], Sequence[Tensor]], device: torch.device, warm_ups: int
    ) -> tuple[Sequence[Tensor], Callable[[], None]]:
        self.captures += 1
        for _ in range(warm_ups):
            function()
        with Tape() as tape:
            outputs = function()
        tape.rewind()

        def replay() -> None:
            self.replays += 1
            tape.play()

        return outputs, replay
