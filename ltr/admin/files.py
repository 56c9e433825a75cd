"""Writing files so that a reader sees the old content or the new one, never a part; reading records."""

import json
import os
import uuid
from pathlib import Path
from typing import Any


def write_atomic(path: Path, text: str) -> None:
    """Write a text file by way of a temporary one in the same folder; raises OSError and leaves nothing behind."""
    temporary = temporary_beside(path)
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
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


def temporary_beside(path: Path) -> Path:
    """Hidden name in the folder of `path`, with its suffix, used by no other process."""
    return path.with_name(f".{path.stem}.{uuid.uuid4().hex[:12]}.tmp{path.suffix}")


def read_record(path: Path) -> dict[str, Any]:
    """Content of a JSON record; empty where there is none or it is damaged, which then differs from any other."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
