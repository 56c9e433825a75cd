"""Errors that a user can mend: the command line prints their message without a traceback."""

import contextlib
import difflib
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ltr.common.device_errors import device_error
from ltr.common.interruption import SIGNAL_BASE, interrupting


class InputError(ValueError):
    """A wrong name, setting, file or data set; the message says what was found and what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name closest to `name`, else the empty string."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)
    close.sort(key=lambda candidate: sorted(candidate) != sorted(name.lower()))  # swapped letters first
    return f"; did you mean '{by_lower[close[0]]}'?" if close else ""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Error for a name that is not among `known`: names the nearest one and lists them (at most 40)."""
    names = list(known)
    return InputError(f"unknown {kind} '{name}'{nearest(name, names)}\n  known: {listed(names)}")


def listed(known: Iterable[str]) -> str:
    """The names between commas, at most 40."""
    names = list(known)
    return (", ".join(names[:40]) or "none") + (f", ... ({len(names)} in all)" if len(names) > 40 else "")


@contextlib.contextmanager
def told_by_line(path: Path) -> Iterator[None]:
    """Whatever a person's own Python code fails with within, a typing error say, is an InputError that names its line.

    `path` is the file of that code, or its folder.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, SyntaxError):
            frames.append((error.filename or "", error.lineno))
        own = [(name, line) for name, line in frames if Path(name).resolve().is_relative_to(path.resolve())]
        where = "{}, line {}".format(*own[-1]) if own else path
        what = error.msg if isinstance(error, SyntaxError) and own[-1:] == frames[-1:] else error
        raise InputError(f"{where}: {type(error).__name__}: {what}") from error


def exit_status(command: Callable[[], int]) -> int:
    """Exit status of a command line program: what `command` returns, 1 after a failure of the GPU, 2 after wrong input.

    Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt in `command`. The status is then 130 where that was not caught;
    after SIGTERM and SIGHUP it is 143 and 129 even where it was. Where nobody reads the output on (`| head`) it is 141.
    """
    with interrupting() as ending:
        try:
            status = command()
            sys.stdout.flush()  # not at the end of the process, where an error could not be told any more
        except BrokenPipeError:
            if _output_is_read():
                raise
            status = SIGNAL_BASE + signal.SIGPIPE
        except KeyboardInterrupt:
            status = SIGNAL_BASE + signal.SIGINT
        except Exception as error:
            broken = device_error(error)
            if broken is None and not (isinstance(error, InputError) or _is_of_a_path(error)):
                raise
            print(f"error: {broken or error}", file=sys.stderr)
            status = 1 if broken else 2
    return status if ending.signal in (None, signal.SIGINT) else SIGNAL_BASE + ending.signal


def _output_is_read() -> bool:
    """Whether what is printed arrives; where it does not, nothing more is sent."""
    try:
        output = sys.stdout.fileno()
    except OSError:  # of no file
        return True
    pipe = select.poll()
    pipe.register(output, 0)
    is_read = not any(event & select.POLLERR for _, event in pipe.poll(0))
    if not is_read:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)  # the process's last flush would fail, too
    return is_read


def _is_of_a_path(error: Exception) -> bool:
    """Whether a file or folder is not there, or cannot be read or written; the message names it."""
    return isinstance(error, FileNotFoundError) or (isinstance(error, OSError) and error.filename is not None)
