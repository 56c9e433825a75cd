import json

import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation import SequenceList, demodataset
from pytracking.evaluation.tracker import Tracker
from pytracking.util_scripts import report
from tests.pytracking.dummy import PARAMETERS, TRACKERS, make_sequence


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Three tiny sequences in place of the demo data set; results of two trackers, one of them with two runs."""
    monkeypatch.setattr(Tracker, "tracker_package", TRACKERS)
    monkeypatch.setattr(Tracker, "parameter_package", PARAMETERS)
    monkeypatch.setenv("PYTRACKING_RESULT_PLOT_PATH", str(tmp_path / "plots"))
    sequences = SequenceList(make_sequence(tmp_path / "data", name) for name in ("a", "b", "c"))
    monkeypatch.setattr(demodataset.DemoDataset, "get_sequence_list", lambda self: sequences)
    for place, folder in enumerate(("wander/default_000", "wander/default_001", "silent/default")):
        path = tmp_path / "results" / folder
        path.mkdir(parents=True)
        for sequence in sequences[:2]:
            boxes = sequence.ground_truth_rect + np.array([place, 0, 0, 0])
            np.savetxt(path / f"{sequence.name}.txt", boxes, fmt="%.4f", delimiter="\t")
            np.savetxt(path / f"{sequence.name}_time.txt", np.full(6, 0.1), fmt="%.6f")
        (path / "run.json").write_text(json.dumps({"hash": f"hash{place}", "parameters": {"speed": place}}))
    return tmp_path / "results"


def arguments(results, *trackers: str) -> list[str]:
    return ["--dataset_name", "demo", "--results_path", str(results), "--trackers", *trackers]


def test_command(results, tmp_path, capsys):
    assert report.main([*arguments(results, "Wander=wander:default:0-1", "silent:default"), "--per-sequence"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in ("Wander", "silent_default", "AUC of each sequence", "fps = frames / seconds", "2 of 3 sequences"):
        assert words in text
    folder = tmp_path / "plots" / "report_demo"
    assert str(folder / "report.html") in text
    content = json.loads((folder / "report.json").read_text())
    assert [row["tracker"] for row in content["tables"]["summary"]] == ["Wander", "silent_default"]
    assert content["tables"]["summary"][0]["runs"] == 2
    assert content["tables"]["summary"][0]["fps"] == pytest.approx(10)
    assert content["provenance"]["runs"][0]["hash"] == "hash0; hash1"


def test_choices(results, tmp_path, capsys):
    options = ["--convention", "pytracking", "--sequence", "b", "--strips", "0", "--output", str(tmp_path / "out")]
    assert report.main([*arguments(results, "wander:default:1"), *options]) == 0
    assert "not the scores of the whole data set" not in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["convention"] == "pytracking"
    assert [row["sequence"] for row in content["tables"]["sequences_auc"]] == ["b", "mean"]


def test_missing_results_of_one_tracker(results, capsys):
    (results / "silent" / "default" / "a.txt").unlink()
    assert report.main(arguments(results, "wander:default:0,1", "silent:default")) == 0
    assert "left out for want of results of silent_default: a" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trackers", "wander"], "expected a tracker as name:parameters"),
        (["--trackers", "wander:default:x"], "found 'wander:default:x'"),
        (["--trackers", "wander:default:7"], "wander_default_007, run 7: a"),
        (["--trackers", "wander:default:0", "--convention", "other"], "unknown convention 'other'"),
        (["--trackers", "wander:default:0", "wander:default:0"], "given twice"),
        (["--trackers", "silent:default", "--sequence", "c"], "run the trackers first"),
    ],
)
def test_wrong_input(results, capsys, options, message):
    assert report.main(["--dataset_name", "demo", "--results_path", str(results), *options]) == 2
    assert message in capsys.readouterr().err


def test_tracker_texts():
    assert [tracker.run_id for tracker in report.parse_tracker("dimp:x:0,2-4,9")] == [0, 2, 3, 4, 9]
    (tracker,) = report.parse_tracker("A=B=dimp:x")
    assert (tracker.display_name, tracker.name, tracker.parameter_name, tracker.run_id) == ("A=B", "dimp", "x", None)
    with pytest.raises(InputError):
        report.parse_tracker("dimp:x:0:1")
