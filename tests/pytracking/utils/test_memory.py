import sys

import numpy as np
import pytest

from pytracking.utils import memory
from pytracking.utils.memory import PeakMemory

MIB = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux restarts the count of a process")
def test_the_peak_is_that_of_the_stretch():
    before = PeakMemory(None)
    block = np.ones(200 * MIB, dtype=np.uint8)
    high = before.bytes()
    del block
    after = PeakMemory(None).bytes()
    # A block of this size goes back to the system at once; a quarter is left for whatever else happens meanwhile.
    assert high - after > 150 * MIB


def test_systems_that_tell_less(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "missing" / "clear_refs")
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    resource = pytest.importorskip("resource")
    scale = 1 if sys.platform == "darwin" else 1024
    assert PeakMemory(None).bytes() == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
