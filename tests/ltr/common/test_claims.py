import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ltr.common import claims
from ltr.common.claims import ClaimedError, claim, is_held

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys
from pathlib import Path
from ltr.common.claims import claim
with claim(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the claim until it is written to."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / ".a.claim")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_at_a_time(tmp_path, holder):
    path = tmp_path / ".a.claim"
    with pytest.raises(ClaimedError, match=rf"process {holder.pid} on .* since 20"), claim(path):
        raise AssertionError("held by two")
    assert is_held(path)
    holder.communicate("go\n")
    with claim(path, wait=True):
        assert path.exists()
    assert not path.exists()
    assert not is_held(path)
    assert not path.exists()


def test_death_gives_back(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / ".a.claim").exists()
    assert not is_held(tmp_path / ".a.claim")
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_removed_meanwhile_is_not_enough(tmp_path, monkeypatch):
    path = tmp_path / ".a.claim"
    answers = iter([False, True])
    monkeypatch.setattr(claims, "_is_same_file", lambda *args: next(answers))
    with claim(path):
        assert next(answers, None) is None


def test_without_locks_nobody_waits(tmp_path, monkeypatch):
    def no_locks(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with claim(tmp_path / ".a.claim"), claim(tmp_path / ".a.claim"):
        pass
    assert not list(tmp_path.iterdir())


def test_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError), claim(tmp_path / "x" / ".a.claim"):
        pass
