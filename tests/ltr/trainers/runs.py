"""Trainings of the toy in processes of their own, which something happens to: killed, asked to stop, out of room.

The processes are forks of one that has imported everything, so that each takes a fraction of a second.
"""

import multiprocessing
import os
import resource
import signal
import socket
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from ltr.admin.checkpoint import read_checkpoint

SETTINGS = "tests.ltr.trainers.toy"
_context = multiprocessing.get_context("forkserver")
# torch._dynamo is what the first step of an optimizer imports, in seconds.
_PRELOADED = ["ltr.run_training", "ltr.trainers.trainer", "ltr.admin.checkpoint", "safetensors.torch", "torch._dynamo"]
_context.set_forkserver_preload([*_PRELOADED, SETTINGS])


def start(
    workspace: Path, *words: str, event: tuple[Any, ...] = (), rank: int = 0, of: int = 1, port: int = 0
) -> BaseProcess:
    """A process that trains the toy; `event` is a function of this module by name, with its arguments."""
    environment = {"RANK": str(rank), "WORLD_SIZE": str(of), "LOCAL_RANK": str(rank)}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    workspace.mkdir(exist_ok=True)
    arguments = [SETTINGS, f"workspace={workspace}", *words]
    process = _context.Process(target=_run, args=(arguments, environment, event, workspace / f"log{rank}.txt"))
    process.start()
    return process


def train(workspace: Path, *words: str, event: tuple[Any, ...] = ()) -> int:
    """Exit status of such a process; -9 where it was killed. What it printed is in `log0.txt`."""
    return finish(start(workspace, *words, event=event))


def train_together(workspace: Path, *words: str, event: tuple[Any, ...] = ()) -> list[int]:
    """Exit states of two processes that train together as torchrun starts them; the event is that of the second."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = [start(workspace, *words, event=event if rank else (), rank=rank, of=2, port=port) for rank in (0, 1)]
    return [finish(process) for process in both]


def finish(process: BaseProcess) -> int:
    process.join(400)  # the machine may be busy
    assert process.exitcode is not None, "still running"
    return process.exitcode


def toy_folder(workspace: Path, name: str = "toy") -> Path:
    return workspace / "checkpoints" / "ltr" / "tests.ltr.trainers" / name


def networks_of(workspace: Path) -> dict[str, Any]:
    """Content of the network files by name."""
    contents = {path.name: read_checkpoint(path) for path in sorted(toy_folder(workspace).glob("*.safetensors"))}
    return {name: content.as_dict() for name, content in contents.items()}


def state_of(workspace: Path) -> dict[str, Any]:
    return torch.load(toy_folder(workspace) / "state.pt", weights_only=True)


def first_difference(found: Any, expected: Any, place: str = "") -> str:
    """Where two nestings of dicts, lists, tensors and values differ in the first place; empty where nowhere."""
    if isinstance(expected, dict) and isinstance(found, dict) and found.keys() == expected.keys():
        keys = list(expected)
    elif isinstance(expected, (list, tuple)) and isinstance(found, (list, tuple)) and len(found) == len(expected):
        keys = list(range(len(expected)))
    elif isinstance(expected, torch.Tensor):
        return "" if torch.equal(found, expected) else f"{place}: {found} and {expected}"
    else:
        return "" if found == expected else f"{place}: {found} and {expected}"
    return next(filter(None, (first_difference(found[key], expected[key], f"{place}.{key}") for key in keys)), "")


def _run(arguments: list[str], environment: dict[str, str], event: tuple[Any, ...], log: Path) -> None:
    os.environ.update(environment)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    from ltr.run_training import main

    if event:
        globals()[event[0]](*event[1:])
    os._exit(main(arguments))


def signal_before_step(name: str, step: int) -> None:
    """The signal comes before the step of this number, counted in this process."""
    from ltr.trainers.trainer import Trainer

    _on_call(Trainer, "step", step, lambda: os.kill(os.getpid(), signal.Signals[name]))


def signal_in_validation(name: str) -> None:
    """The signal comes in the first validation."""
    from ltr.trainers.trainer import Trainer

    _on_call(Trainer, "_validate", 1, lambda: os.kill(os.getpid(), signal.Signals[name]))


def kill_before_replacing(number: int) -> None:
    """Killed when the temporary file of this number is complete, and not yet in its place."""
    _on_call(os, "replace", number, lambda: os.kill(os.getpid(), signal.SIGKILL))


def kill_in_state(number: int) -> None:
    """Killed when half of the state of this number is written."""

    def write_half(state: object, file: Any) -> None:
        save(state, file)
        file.truncate(file.tell() // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    save = torch.save
    _on_call(torch, "save", number - 1, lambda: setattr(torch, "save", write_half) if number > 1 else None)
    if number == 1:
        torch.save = write_half


def no_room_at_step(step: int, size: int) -> None:
    """From this step on, files cannot become larger than `size` bytes."""
    from ltr.trainers.trainer import Trainer

    _on_call(Trainer, "step", step, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))


def _on_call(owner: Any, name: str, number: int, action: Callable[[], object]) -> None:
    """Do something before the call of this number of a function."""
    original, calls = getattr(owner, name), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            action()
        return original(*args, **kwargs)

    setattr(owner, name, counted)
