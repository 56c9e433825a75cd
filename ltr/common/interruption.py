"""Signals that ask a program to end: Ctrl-C, the end of a batch job (SIGTERM), a lost connection (SIGHUP).

All of them end a program in the same way: KeyboardInterrupt is raised, so that everything that is open is completed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNAL_BASE = 128  # exit status of a program that a signal ended, less the signal's number, as shells give it


class Ending:
    """Which signal asked this process to end, if one did."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def note(self, number: int) -> None:
        """A signal came; after a lost connection nothing more can be printed to its terminal."""
        self.signal = self.signal or signal.Signals(number)
        if number == signal.SIGHUP:
            _leave_lost_terminal()


@contextlib.contextmanager
def interrupting() -> Iterator[Ending]:
    """Within, the first of these signals raises KeyboardInterrupt in the main thread.

    Later ones are ignored, since a batch system sends SIGTERM to a process that is completing its files already; only
    Ctrl-C interrupts that as well. A signal that is ignored already (nohup) stays ignored.
    """
    ending = Ending()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        is_first = ending.signal is None
        ending.note(number)
        if is_first or number == signal.SIGINT:
            raise KeyboardInterrupt

    with _handled_by(interrupt):
        yield ending


@contextlib.contextmanager
def noting(ending: Ending) -> Iterator[None]:
    """Within, the first of these signals is only noted in `ending`; a second one does what it does otherwise."""
    with contextlib.ExitStack() as handlers:

        def note(number: int, _frame: FrameType | None) -> None:
            ending.note(number)
            handlers.close()

        handlers.enter_context(_handled_by(note))
        yield


@contextlib.contextmanager
def completing() -> Iterator[None]:
    """What is done within is not torn apart: the first signal takes effect afterwards."""
    ending = Ending()
    try:
        with noting(ending):
            yield
    finally:
        if ending.signal is not None:
            signal.raise_signal(ending.signal)


@contextlib.contextmanager
def held_for_workers() -> Iterator[None]:
    """Processes that are started within receive none of these signals until they call `leave_to_parent`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_parent() -> None:
    """In a worker process: ignore these signals, which reach whole groups; the parent decides what they mean."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


@contextlib.contextmanager
def kept_handlers() -> Iterator[None]:
    """Handlers of these signals that a library sets within are taken back."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set and runs handlers
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    with kept_handlers():
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, handler)
        yield


def _leave_lost_terminal() -> None:
    """Send to nowhere what would go to a terminal that is gone: writing there fails, amid the completion of files."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            os.dup2(nowhere, descriptor)
    os.close(nowhere)
