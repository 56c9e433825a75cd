"""Signals that ask a program to end, in this process and in others that are really signalled."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ltr.common.errors import exit_status
from ltr.common.interruption import ENDING, Ending, completing, interrupting, kept_handlers, noting

ROOT = Path(__file__).resolve().parents[3]
ALL = pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)


@pytest.fixture(autouse=True)
def handlers():
    """Python's own handler, which a background job does not have, and the same handlers after each test."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    found = [signal.getsignal(number) for number in ENDING]
    yield
    assert [signal.getsignal(number) for number in ENDING] == found
    signal.signal(signal.SIGINT, before)


@ALL
def test_signals_are_like_ctrl_c(number):
    with interrupting() as ending:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert ending.signal == number
        signal.raise_signal(signal.SIGTERM)  # files are being completed
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@ALL
def test_exit_status(number):
    assert exit_status(lambda: signal.raise_signal(number)) == 128 + number


def test_exit_status_where_the_program_ended_well():
    def command(number: int) -> int:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        return 0

    assert exit_status(lambda: command(signal.SIGINT)) == 0  # how a camera is ended
    assert exit_status(lambda: command(signal.SIGTERM)) == 128 + signal.SIGTERM


def test_nohup_is_respected():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupting() as ending:
            signal.raise_signal(signal.SIGHUP)
        assert ending.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


@ALL
def test_noting(number):
    ending = Ending()
    with interrupting(), noting(ending):
        signal.raise_signal(number)
        assert ending.signal == number
        with pytest.raises(KeyboardInterrupt):  # the second one
            signal.raise_signal(number)


def test_completing():
    steps = []

    def complete(fails: bool) -> None:
        with completing():
            signal.raise_signal(signal.SIGTERM)
            steps.append("written")
            if fails:
                raise RuntimeError("full")
        steps.append("never")

    for fails in (False, True):
        with interrupting(), pytest.raises(KeyboardInterrupt):
            complete(fails)
    with completing():
        pass
    assert steps == ["written", "written"]


def test_other_threads_are_left_alone():
    results = []
    thread = threading.Thread(target=lambda: results.append(exit_status(lambda: 3)))
    thread.start()
    thread.join()
    assert results == [3]


def test_handlers_of_a_library_are_taken_back():
    with interrupting():
        with kept_handlers():
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


LOST_TERMINAL = """if True:
    import fcntl, os, sys, termios, time
    from pathlib import Path
    from ltr.common.errors import exit_status
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    def command():
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            print("a last word", flush=True)
            print("and another", file=sys.stderr, flush=True)
            Path(sys.argv[1]).write_text("complete")
    sys.exit(exit_status(command))
"""


def test_a_lost_connection(tmp_path):
    """The terminal is really gone: the kernel sends SIGHUP, and every write to it fails."""
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LOST_TERMINAL, str(tmp_path / "file")], cwd=ROOT,
        stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    assert b"ready" in os.read(controller, 100)
    os.close(controller)
    assert process.wait(60) == 128 + signal.SIGHUP
    assert (tmp_path / "file").read_text() == "complete"
