import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

from pytracking import command_line
from pytracking.evaluation import SequenceList, demodataset
from pytracking.evaluation.tracker import Tracker
from pytracking.util_scripts import demo
from tests.pytracking.dummy import PARAMETERS, TRACKERS, make_sequence, write_black_frame


class Understood(BaseException):
    """A parser took its arguments; BaseException, so that no program keeps it."""


@pytest.fixture
def sequences(tmp_path, monkeypatch):
    """Two tiny sequences in place of the demo data set, and the dummy trackers."""
    monkeypatch.setattr(Tracker, "tracker_package", TRACKERS)
    monkeypatch.setattr(Tracker, "parameter_package", PARAMETERS)
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", str(tmp_path / "results"))
    sequences = SequenceList(make_sequence(tmp_path / "data", name) for name in ("a", "b"))
    sequences[1].ground_truth_rect[2] = np.nan
    monkeypatch.setattr(demodataset.DemoDataset, "get_sequence_list", lambda self: sequences)
    return sequences


def test_table_plot_and_videos(tmp_path, sequences, capsys):
    assert demo.run_demo(None, "wander", "default") == 0
    text = capsys.readouterr().out
    for word in ("wander_default on demo", "mean", "AUC", "success_plot.png", str(tmp_path / "results")):
        assert word in text
    folder = tmp_path / "results" / "demo" / "wander_default"
    assert sorted(path.name for path in folder.iterdir()) == ["a.mp4", "b.mp4", "success_plot.png"]
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*.mp4")}
    assert demo.run_demo(["a"], "wander", "default") == 0  # reuses results and videos
    assert "skipped: results exist" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.mp4")} == times


def test_what_succeeded_is_shown(tmp_path, sequences, capsys):
    write_black_frame(sequences[0].frames[3])
    assert demo.run_demo(None, "wander", "default") == 1
    assert "mean" in capsys.readouterr().out
    write_black_frame(sequences[1].frames[3])
    assert demo.run_demo(["b"], "silent", "default") == 1
    assert "mean" not in capsys.readouterr().out


def test_what_next(tmp_path, sequences, monkeypatch, capsys):
    """The scene that the tracker loses is left out, and named; every command that is printed is understood."""
    monkeypatch.setattr(demo, "LEFT_OUT", "b")
    assert demo.run_demo(None, "wander", "default") == 0
    folder = tmp_path / "results" / "demo" / "wander_default"
    assert sorted(path.name for path in folder.iterdir()) == ["a.mp4", "success_plot.png"]
    text = capsys.readouterr().out
    commands = [line.split(":  ")[1].split() for line in text[text.index("What next:") :].splitlines()[1:]]
    assert len(commands) == 5
    with monkeypatch.context() as patched:
        for method in ("parse_args", "parse_intermixed_args"):
            parse = getattr(argparse.ArgumentParser, method)

            def parse_alone(*arguments, _parse=parse, **options):
                _parse(*arguments, **options)
                raise Understood

            patched.setattr(argparse.ArgumentParser, method, parse_alone)
        for program, *arguments in commands:
            assert program == str(Path(sys.executable).with_name("rlstrack"))
            with pytest.raises(Understood):
                command_line.main(arguments)
    assert demo.run_demo(["a"], "wander", "default") == 0
    assert "demo --sequence b" in text
    assert "demo --sequence b" not in capsys.readouterr().out


def test_command_line(sequences, capsys):
    assert demo.main(["--sequence", "x"]) == 2  # dimp is no dummy tracker
    assert "error: unknown" in capsys.readouterr().err
