"""The TraX loop, driven by the client of vot-trax through pipes, as the VOT toolkit does."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ltr.common.errors import InputError
from pytracking.VOT.trax_server import load_trax
from tests.pytracking.VOT.dummies import small_sequence

PROJECT = Path(__file__).resolve().parents[3]

SERVER = """
import os, sys
from pytracking.VOT.trax_server import serve
from tests.pytracking.VOT.dummies import DummyTracker

print("printed by Python")
os.write(1, b"")
class Loud(DummyTracker):
    def create_tracker(self, params):
        tracker = super().create_tracker(params)
        track = tracker.track
        def loud(image, info=None):
            print("printed by the tracker")
            os.system("echo printed by a child")
            return track(image, info)
        tracker.track = loud
        return tracker
frames = serve(Loud("wander", "default"), seed=1)
print("served", frames, file=sys.stderr)
"""


def trax_client():
    return pytest.importorskip("trax.client", reason="needs vot-trax: pip install vot-trax")


def environment(**more):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TRAX")}
    return clean | {"PYTHONPATH": str(PROJECT)} | more


class Session:
    """A server process and a client that talks to it."""

    def __init__(self, command, **more):
        client = trax_client()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(**more)
        )
        self.log = []
        streams = (self.process.stdin.fileno(), self.process.stdout.fileno())
        self.client = client.Client(stream=streams, log=self.log.append)

    def frame(self, path, region=None):
        """(x, y, w, h), properties that the server answers with."""
        from trax.image import FileImage

        image = {"color": FileImage.create(str(path))}
        if region is None:
            (status,), _ = self.client.frame(image, {}, [])
        else:
            (status,), _ = self.client.initialize(image, [(region, {})], {})
        return status[0].bounds(), status[1]

    def end(self):
        """Exit status and standard error."""
        self.client.quit()
        _, errors = self.process.communicate(timeout=300)
        return self.process.returncode, errors.decode()


def test_rectangles_and_polygons(tmp_path):
    trax_client()
    import trax

    frames = small_sequence(tmp_path).frames
    session = Session([sys.executable, "-c", SERVER], TRAX="1")
    assert session.client.tracker_name == "wander_default"
    assert set(session.client.region_formats) == {"rectangle", "polygon"}
    box, properties = session.frame(frames[0], trax.Rectangle.create(10, 8, 20, 20))
    assert box == (10, 8, 20, 20)
    assert float(properties["confidence"]) == 1
    box, properties = session.frame(frames[1])
    assert box != (10, 8, 20, 20)
    assert box[2:] == (20, 20)
    assert 0 <= float(properties["confidence"]) <= 2
    # Started again, with a square turned by 45 degrees: its box has its area, and a pixel more on each side.
    r = 50**0.5
    corners = [(30.0, 20 - r), (30 + r, 20.0), (30.0, 20 + r), (30 - r, 20.0)]
    box, _ = session.frame(frames[2], trax.Polygon.create(corners))
    assert box == pytest.approx((24.5, 14.5, 11, 11), abs=1e-4)
    session.frame(frames[3])
    status, errors = session.end()
    assert status == 0
    assert "served 4" in errors
    # Everything that was printed went to the log; the client saw TraX alone.
    assert "printed by the tracker" in errors
    assert "printed by a child" in errors
    heard = "".join(session.log)
    assert "printed by the tracker" not in heard
    assert "printed by a child" not in heard


def test_error_reaches_the_log(tmp_path):
    trax_client()
    import trax

    sequence = small_sequence(tmp_path)
    sequence.frames[1].write_bytes(b"no image")
    session = Session([sys.executable, "-c", SERVER], TRAX="1")
    session.frame(sequence.frames[0], trax.Rectangle.create(10, 8, 20, 20))
    with pytest.raises(trax.TraxException):
        session.frame(sequence.frames[1])
    _, errors = session.process.communicate(timeout=300)
    assert session.process.returncode != 0
    assert "00000002.jpg is no image" in errors.decode()


@contextlib.contextmanager
def no_pipe():
    with open(os.devnull, "rb") as nothing:
        yield nothing


@contextlib.contextmanager
def closed_pipe():
    """Closed before anybody can look at it: a busy machine may let a server start before its parent goes on."""
    reading, writing = os.pipe()
    os.close(writing)
    with open(reading, "rb") as pipe:
        yield pipe


@pytest.mark.parametrize("source", [no_pipe, closed_pipe])
def test_without_a_server_it_says_so(source):
    """/dev/null is no pipe, and a pipe that is closed has nobody at its other end: refused before a network is read."""
    command = [sys.executable, "-m", "pytracking.run_vot", "dimp", "rls_dimp_lite"]
    with source() as stdin:
        ended = subprocess.run(
            command, stdin=stdin, capture_output=True, env=environment(), cwd=PROJECT, timeout=300, check=False
        )
    assert ended.returncode == 2
    assert ended.stdout == b""
    assert "expected to be started by the VOT toolkit" in ended.stderr.decode()


def test_silent_pipe():
    """Somebody holds the pipe and says nothing."""
    trax_client()
    code = SERVER.replace("seed=1", "seed=1, wait=0.2")
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(),
    )  # fmt: skip
    try:
        assert process.wait(timeout=300) != 0
        assert "no request came in 0 seconds" in process.stderr.read().decode()
    finally:
        process.kill()
        process.communicate()


def test_another_package_of_that_name(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "trax"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "trax").mkdir()
    (tmp_path / "trax" / "__init__.py").write_text("")
    (tmp_path / "trax" / "server.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"'trax' is another package here .*vot-trax"):
        load_trax()
    (tmp_path / "trax" / "server.py").unlink()
    for name in [name for name in sys.modules if name.partition(".")[0] == "trax"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InputError, match="vot-trax, which cannot be used here"):
        load_trax()
