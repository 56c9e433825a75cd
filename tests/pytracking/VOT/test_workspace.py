import configparser
import sys

import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation import Sequence
from pytracking.VOT.regions import read_regions
from pytracking.VOT.workspace import trackers_ini, write_workspace
from tests.pytracking.VOT.dummies import DummyTracker, small_sequence


def test_trackers_ini(monkeypatch):
    monkeypatch.setenv("PYTRACKING_NETWORK_PATH", "/nets")
    parser = configparser.ConfigParser()
    parser.read_string(trackers_ini([DummyTracker("wander", "default"), DummyTracker("wander", "slow")]))
    assert parser.sections() == ["wander_default", "wander_slow"]
    section = parser["wander_slow"]
    assert section["protocol"] == "traxpython"
    assert section["command"] == "import pytracking.run_vot as run_vot; run_vot.run_vot('wander', 'slow')"
    assert section["python"] == sys.executable
    assert section["env_PYTRACKING_NETWORK_PATH"] == "/nets"


def test_unknown_and_equal_trackers():
    with pytest.raises(InputError, match="unknown wander parameter file 'slwo'; did you mean 'slow'"):
        trackers_ini([DummyTracker("wander", "slwo")])
    with pytest.raises(InputError, match="two trackers are called 'wander_default'"):
        trackers_ini([DummyTracker("wander", "default")] * 2)


def test_workspace(tmp_path):
    walk = small_sequence(tmp_path / "data", polygons=True)
    boxes = np.array(walk.ground_truth_rect)
    boxes[3] = np.nan
    absent = Sequence("absent", walk.frames, "mine", boxes)
    folder = tmp_path / "workspace"
    write_workspace(folder, [walk, absent], [DummyTracker("wander", "default")])
    assert (folder / "sequences" / "list.txt").read_text() == "walk\nabsent\n"
    assert (folder / "sequences" / "walk" / "color" / "00000012.jpg").resolve() == walk.frames[11]
    assert read_regions(folder / "sequences" / "walk" / "groundtruth.txt").kinds.tolist() == [8] * 12
    assert read_regions(folder / "sequences" / "absent" / "groundtruth.txt").kinds.tolist()[2:5] == [4, 0, 4]
    assert "width=64" in (folder / "sequences" / "walk" / "sequence").read_text().splitlines()
    (folder / "config.yaml").write_text("mine")
    write_workspace(folder, [walk], [DummyTracker("wander", "slow")])
    assert (folder / "config.yaml").read_text() == "mine"
