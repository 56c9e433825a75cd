import os
from pathlib import Path

import pytest

from ltr.common.files import create_atomic, write_atomic


def test_write_replaces(tmp_path):
    path = tmp_path / "a.txt"
    write_atomic(path, "one")
    write_atomic(path, "two")
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_failure_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_atomic(path, "one")

    def fail(*args):
        raise OSError("disk")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk"):
        write_atomic(path, "two")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_the_first_creator_wins(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    assert create_atomic(path, "one")
    assert not create_atomic(path, "two")
    monkeypatch.setattr(Path, "exists", lambda self: False)  # another process is as fast as this one
    assert not create_atomic(path, "three")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]
