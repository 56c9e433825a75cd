"""The state of a tracker, given to another one that computes elsewhere or in another form."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pytracking.tracker.base import BaseTracker


def copy_state(source: BaseTracker, target: BaseTracker) -> None:
    """Let `target` know what `source` does, and go on from there: everything but parameters, device and network.

    Tensors go to the target's device; what belongs to the source's network becomes what has its name in the target's.
    """
    of_source, of_target = _not_copied(source), _not_copied(target)
    shared = {id(value): of_target[name] for name, value in of_source.items() if name in of_target}
    stored = io.BytesIO()
    pickler = _Pickler(stored, shared, target.device)
    pickler.dump({name: value for name, value in vars(source).items() if name not in ("params", "device", "net")})
    stored.seek(0)
    vars(target).update(_Unpickler(stored, pickler.replaced).load())


def _not_copied(tracker: Any) -> dict[str, Any]:
    """Objects that each of two trackers has its own of, by name."""
    modules = dict(tracker.net.net.named_modules())
    return {"/params": tracker.params, "/net": tracker.net, **modules}


class _Pickler(pickle.Pickler):
    """Puts into `replaced`, by number, what is not copied as it is."""

    def __init__(self, file: io.BytesIO, shared: dict[int, Any], device: torch.device) -> None:
        super().__init__(file)
        self.replaced: list[Any] = []
        self._shared, self._device = shared, device
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []  # an object that is gone would leave its id to another one

    def persistent_id(self, value: Any) -> int | None:
        if id(value) in self._numbers:
            return self._numbers[id(value)]
        if id(value) in self._shared:
            copied = self._shared[id(value)]
        elif isinstance(value, torch.device):
            copied = self._device
        elif isinstance(value, torch.Generator):  # on the CPU for every device
            copied = torch.Generator()
            copied.set_state(value.get_state())
        elif isinstance(value, Tensor):
            copied = value.detach().to(self._device, copy=True)
            if isinstance(value, nn.Parameter):
                copied = nn.Parameter(copied, value.requires_grad)
        else:
            return None
        self._numbers[id(value)] = len(self.replaced)
        self._alive.append(value)
        self.replaced.append(copied)
        return self._numbers[id(value)]


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, replaced: list[Any]) -> None:
        super().__init__(file)
        self._replaced = replaced

    def persistent_load(self, pid: Any) -> Any:
        return self._replaced[pid]
