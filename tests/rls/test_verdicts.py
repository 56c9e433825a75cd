"""Numbers on their way to the host, and the guard that finds the reads on the way."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from rls.verdicts import Verdict, reads_are_free
from tests.rls.no_reads import HostReadError, NoReads


def test_numbers_of_a_cpu_are_there_at_once() -> None:
    verdict = Verdict(torch.tensor([2.5, 3.0, 1.0, 7.0], dtype=torch.float64))
    for held in (verdict, copy.deepcopy(verdict), pickle.loads(pickle.dumps(verdict))):
        assert held.read() == [2.5, 3.0, 1.0, 7.0]


def test_only_cuda_devices_are_read_later() -> None:
    for name, free in {"cpu": True, "meta": True, "cuda": False, "cuda:1": False}.items():
        assert reads_are_free(torch.device(name)) == free


def test_numbers_of_a_gpu_come_through_pinned_memory_and_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Event and stream are stand-ins, which write down what happens; the copy is checked by the guard."""
    log: list[Any] = []

    class Event:
        def record(self, stream: str) -> None:
            log.append(("record", stream))

        def synchronize(self) -> None:
            log.append("synchronize")

    empty = torch.empty

    def logged_empty(*args: Any, **kwargs: Any) -> Tensor:
        if kwargs.get("pin_memory"):
            log.append(kwargs["device"])
        made: Tensor = empty(*args, **kwargs)
        return made

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    with FakeTensorMode(), NoReads():
        numbers = torch.zeros(2, device="cuda", dtype=torch.float64)
        monkeypatch.setattr(torch, "empty", logged_empty)
        verdict = Verdict(numbers)
        monkeypatch.setattr(torch, "empty", empty)
    assert log == ["cpu", ("record", "stream of cuda:0")]
    verdict._numbers = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert verdict.read() == [1.0, 2.0]
    assert log[2:] == ["synchronize"]


READERS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x[0, 0].item(),
    "bool": lambda x: bool(x.isfinite().all()),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x[:, 0] > 0],
    "to_host": lambda x: x.cpu(),
    "from_host": lambda x: torch.tensor([1.0, 2.0], device=x.device),
    "waiting_copy": lambda x: torch.empty(2, 2, device="cpu").copy_(x),
    "eigh": torch.linalg.eigh,
    "solve": lambda x: torch.linalg.solve(x, x),
}


@pytest.mark.parametrize("name", READERS)
def test_reads_are_found(name: str) -> None:
    with FakeTensorMode(), NoReads():
        x = torch.ones(2, 2, device="cuda")
        with pytest.raises(HostReadError):
            READERS[name](x)
        torch.empty(2, 2, device="cpu").copy_(x, non_blocking=True)
        x.addmm_(x, x).masked_fill_(x > 0, 1.0)
