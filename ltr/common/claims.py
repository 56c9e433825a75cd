"""Claims: at most one process on this file system works at a thing at a time, and death gives the thing back.

A claim is an advisory lock (`flock`) on a small file that names its holder. The system drops the lock when the process
ends, however it ends, so nothing has to time out. Where a file system knows no such locks, nobody holds claims: two
processes may then do the same work twice, and write the same bytes.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
from collections.abc import Iterator
from pathlib import Path

_held: set[int] = set()


class ClaimedError(Exception):
    """Another process holds the claim; the message says which."""


@contextlib.contextmanager
def claim(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold the claim on `path`, a file that exists only meanwhile, in a folder that exists.

    Raises ClaimedError where another process holds it, unless `wait` is set; OSError where the file cannot be made.
    """
    descriptor = _acquire(path, wait)
    _held.add(descriptor)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock is dropped: whoever comes next makes a new file
        _held.discard(descriptor)
        os.close(descriptor)


def claim_file(temporary: Path) -> Path:
    """Where the writer of a hidden file has its claim, as long as it lives."""
    return temporary.with_suffix(".claim")


def is_held(path: Path) -> bool:
    """Whether some process holds the claim; the file of one that died is removed."""
    try:
        with claim(path):
            return False
    except ClaimedError:
        return True


def _acquire(path: Path, wait: bool) -> int:
    import fcntl

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise ClaimedError(holder or "another process") from None
        except OSError:  # no locks on this file system
            return descriptor
        if _is_same_file(descriptor, path):
            since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            with contextlib.suppress(OSError):  # a full disk: the lock is what counts, the text is for people
                os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode(), 0)
            return descriptor
        os.close(descriptor)  # removed by its last holder between opening and locking


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _drop_inherited() -> None:
    """In a process made by fork: it is not the holder, and must not keep the lock when the holder dies."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_inherited)
