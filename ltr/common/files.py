"""Writing files so that a reader sees the old content or the new one, never a part; reading records."""

import contextlib
import itertools
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ltr.common.errors import InputError


def write_atomic(path: Path, text: str) -> None:
    """Write a text file by way of a temporary one in the same folder; raises OSError and leaves nothing behind."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden file in the same folder, to be written within; it takes the place of `path` unless that fails."""
    temporary = temporary_beside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # the first error is the one to report
            temporary.unlink(missing_ok=True)


def create_atomic(path: Path, text: str) -> bool:
    """Like `write_atomic`, but an existing file is left alone; returns whether the file was made by this call."""
    if path.exists():
        return False
    temporary = temporary_beside(path)
    try:
        temporary.write_text(text, encoding="utf-8")
        os.link(temporary, path)  # unlike rename, a link fails where the target exists: the first process wins
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def temporary_beside(path: Path, token: str | None = None) -> Path:
    """Hidden name in the folder of `path`, with its suffix; used by no other process that has another `new_token`."""
    return path.with_name(f".{path.stem}.{token or new_token()}.tmp{path.suffix}")


def new_token() -> str:
    """Tells the hidden files of one writer from those of all others: twelve hexadecimal digits."""
    return uuid.uuid4().hex[:12]


def free_path(path: Path) -> Path:
    """The path itself where there is nothing, else the first of `<stem>-2`, `<stem>-3`, ... where there is nothing."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return next(candidate for candidate in itertools.chain([path], names) if not candidate.exists())


def check_output(path: Path, sources: Iterable[Path]) -> None:
    """Refuse to write a file over what is read: by its path, through links, or in another case of letters.

    Raises InputError for one of `sources`, and for a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file to write")
    resolved = str(path.resolve()).casefold()
    for source in sources:
        if str(source.resolve()).casefold() == resolved or (
            path.exists() and source.exists() and source.samefile(path)
        ):
            raise InputError(f"writing {path} would replace {source}, which is read; give the name of another file")


def read_record(path: Path) -> dict[str, Any]:
    """Content of a JSON record; empty where there is none or it is damaged, which then differs from any other."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def with_defaults(recorded: Any, wanted: Mapping[str, Any], defaults: Mapping[str, Any]) -> Any:
    """Recorded settings, and those that the record does not have where what is wanted is their default.

    What was recorded before a setting existed counts as made with its default. All are JSON data; what is no dictionary
    is returned as it is.
    """
    if not isinstance(recorded, dict):
        return recorded
    names = [name for name in wanted if name not in recorded and name in defaults]
    return recorded | {name: wanted[name] for name in names if wanted[name] == defaults[name]}


def differences(stored: Mapping[str, Any], wanted: Mapping[str, Any], ignored: tuple[str, ...] = ()) -> str:
    """Lines `  name: old there, new here` of the entries that differ, nested ones as `outer.inner`."""
    old = dict(flatten({key: value for key, value in stored.items() if key not in ignored}))
    # By way of JSON, so that tuples are lists as in a stored record.
    new = dict(flatten(json.loads(json.dumps({k: v for k, v in wanted.items() if k not in ignored}))))
    names = [name for name in {**old, **new} if old.get(name, "nothing") != new.get(name, "nothing")]
    return "\n".join(f"  {name}: {old.get(name, 'nothing')} there, {new.get(name, 'nothing')} here" for name in names)


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Entries of nested dictionaries as `outer.inner`."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from flatten(item, f"{name}.{key}" if name else key)
    else:
        yield name, value
