"""Files of a training.

`<workspace>/checkpoints/ltr/<module>/<settings>[_<name>]/` holds
- `<network>_ep<epoch>.safetensors`, the network after each epoch, for `ltr.admin.loading.load_network`, and beside it
  `<network>_ep<epoch>.json`: epoch, losses, learning rates, options, seed, software, device, commit of the source;
- `state.pt`, all that is needed to continue: the actor, optimizer, schedule, loss scaling, position and averages;
- `training.json`, with what the training was started, how far it is, and each start of a process that worked on it.
Every file is replaced as a whole, when its successor is on the disk.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltr.common.claims import ClaimedError, claim
from ltr.common.errors import InputError
from ltr.common.files import differences, read_record, replacing, with_defaults

if TYPE_CHECKING:
    from torch import nn

FORMAT = 1  # raised when the files change, or when a change of the code makes old states useless
_TEMPORARY = re.compile(r"\..+\.tmp(\.\w+)?")
_NETWORK_FILE = re.compile(r".+_ep(\d+)\.(safetensors|json)")


class UnwritableError(RuntimeError):
    """A checkpoint cannot be written: a full disk, missing rights. The one before is as it was."""


@dataclass(frozen=True)
class TrainingFolder:
    """Where one training keeps its files."""

    workspace: Path
    module: str
    settings: str
    name: str = ""

    @property
    def path(self) -> Path:
        """Folder of the networks and of the state."""
        return self.workspace / "checkpoints" / "ltr" / self.module / self._leaf

    @property
    def curves(self) -> Path:
        """Folder of tensorboard's files."""
        return self.workspace / "tensorboard" / "ltr" / self.module / self._leaf

    @property
    def _leaf(self) -> str:
        return f"{self.settings}_{self.name}" if self.name else self.settings

    @property
    def state_file(self) -> Path:
        return self.path / "state.pt"

    @property
    def record_file(self) -> Path:
        return self.path / "training.json"

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Be the only training in this folder, which is made. Raises InputError where another process is at work."""
        lock = self.path.with_name(f".{self._leaf}.claim")
        with contextlib.ExitStack() as stack:
            with self._writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                try:
                    stack.enter_context(claim(lock))
                except ClaimedError as error:
                    raise InputError(
                        f"{self.path} is being trained by {error}\n  wait for it, stop it, or train beside it: name=..."
                    ) from None
                self._remove_temporaries()
            yield

    def open(self, key: dict[str, Any], restart: bool, defaults: dict[str, Any] | None = None) -> dict[str, Any]:
        """Record of the training that is there already; empty where there is none yet.

        With `restart`, what is there is set aside. Raises InputError, listing the differences, where it was started
        with another `key` (JSON data: everything that changes the result). Options that did not exist when it was
        started count as given with their `defaults`.
        """
        if restart and any(self.path.iterdir()):
            self._set_aside()
        record = read_record(self.record_file)
        if not record and self.state_file.exists():
            record = {"format": None}
        stored = {name: record.get(name) for name in ("format", *key)}
        given = key.get("options", {})
        recorded = with_defaults(stored.get("options"), given, defaults or {})
        stored |= recorded if isinstance(recorded, dict) else {}
        # Options by the names under which they are typed.
        difference = differences(stored, {"format": FORMAT, **key, **given}, ignored=("options",)) if record else ""
        if difference and not self._has_results():
            return {}  # of a start that came to nothing
        if difference:
            raise InputError(
                f"{self.path} holds a training that was started differently:\n{difference}\n"
                "  start it as it was, or give this one a name (name=...), or set the old one aside with --restart"
            )
        return record

    def _has_results(self) -> bool:
        return any(path == self.state_file or _NETWORK_FILE.fullmatch(path.name) for path in self.path.iterdir())

    def write_record(self, record: dict[str, Any]) -> None:
        """Replace `training.json`. Raises UnwritableError."""
        self._write_json(self.record_file, {"format": FORMAT, **record})

    def write_state(self, state: dict[str, Any]) -> None:
        """Replace `state.pt`. Raises UnwritableError, and InputError for what is no tensor and no plain value."""
        import torch

        from ltr.admin.safe_unpickling import is_plain_data, pickled_names

        def write(path: Path) -> None:
            with path.open("wb") as file:
                torch.save(state, file)
            if objects := sorted(name for name in pickled_names(path) if not is_plain_data(name)):
                raise InputError(
                    f"the state of the training holds {', '.join(objects)}, which could not be read back safely\n"
                    "  expected tensors and plain values in the states of the settings' actor, optimizer and schedule"
                )

        self._replace(self.state_file, write)

    def read_state(self) -> dict[str, Any] | None:
        """Content of `state.pt`, on the CPU; None where there is none. Raises InputError where it cannot be read."""
        import torch

        if not self.state_file.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.state_file, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever unpickling of a damaged file raises
            raise InputError(
                f"{self.state_file} cannot be read: {type(error).__name__}: {error}\n"
                "  begin again with --restart; the networks of the finished epochs are kept"
            ) from error
        return state

    def write_network(
        self, net: nn.Module, epoch: int, architecture: str | None, kwargs: dict[str, Any], record: dict[str, Any]
    ) -> None:
        """Write the network of an epoch and its record. Raises UnwritableError."""
        from ltr.admin.checkpoint import save_checkpoint

        path = self.path / f"{type(net).__name__}_ep{epoch:04d}.safetensors"
        # Nothing that differs between two equal trainings is in the network's own file: dates are beside it.
        info = {name: record[name] for name in ("epoch", "settings", "options", "seed")}

        self._replace(path, lambda temporary: save_checkpoint(temporary, net, architecture, kwargs, info=info))
        self._write_json(path.with_suffix(".json"), record)

    def remove_networks(self, keep: int, epoch: int) -> None:
        """Remove the networks that are older than the newest `keep`, that of `epoch` counting as the newest."""
        for path in self.path.iterdir():
            match = _NETWORK_FILE.fullmatch(path.name)
            if match and int(match[1]) <= epoch - keep:
                path.unlink(missing_ok=True)

    def _write_json(self, path: Path, content: dict[str, Any]) -> None:
        text = json.dumps(content, indent=1) + "\n"
        self._replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def _replace(self, path: Path, write: Callable[[Path], object]) -> None:
        """Let `write` make a temporary file, which takes its place when it is on the disk."""
        with self._writing(path):
            with replacing(path) as temporary:
                write(temporary)
                _sync(temporary)
            _sync(path.parent)

    @contextlib.contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        from safetensors import SafetensorError

        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors wrap what the system says
            free = f"{_free_bytes(self.workspace) / 1e6:,.0f} MB are free there"
            raise UnwritableError(
                f"cannot write {path}: {_reason(error)} ({free})\n"
                "  what was written before is intact; free space or rights and give the same command again, "
                "or choose another folder with workspace=..."
            ) from error

    def _remove_temporaries(self) -> None:
        """Remove what a killed process left half written; call it with the claim."""
        for path in self.path.iterdir():
            if _TEMPORARY.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _set_aside(self) -> None:
        for old in (self.path, self.curves):
            if old.exists():
                names = (f"{old.name}.replaced-{number}" for number in range(1, 10000))
                os.replace(old, next(old.with_name(name) for name in names if not old.with_name(name).exists()))
        self.path.mkdir()


def session_record(device: str, options: dict[str, Any]) -> dict[str, Any]:
    """With what a process works on a training: date, all options, software, device, commit of the source."""
    from ltr.common.provenance import describe_environment, git_commit

    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": git_commit(),
        "options": options,
        "environment": describe_environment(device),
    }


def _sync(path: Path) -> None:
    """Let a file, or the names in a folder, reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: BaseException) -> str:
    """What the system said, where the libraries between kept it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error).splitlines()[0]


def _free_bytes(path: Path) -> int:
    existing = next((folder for folder in (path, *path.parents) if folder.exists()), Path("/"))
    return shutil.disk_usage(existing).free
