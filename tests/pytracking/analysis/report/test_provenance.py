import json
from types import SimpleNamespace

from ltr.common.files import read_record
from pytracking.analysis.report.provenance import UNKNOWN, provenance


def run(folder, run_id=None, record=None, parameter_name="lite"):
    """A run whose folder holds a record."""
    folder.mkdir(parents=True)
    if record is not None:
        (folder / "run.json").write_text(json.dumps(record))
    return SimpleNamespace(name="dimp", parameter_name=parameter_name, run_id=run_id, results_dir=folder)


def record(step, device="cpu", **extra):
    environment = {"device": device, "processor": "Some CPU", "versions": {"torch": "2.7", "numpy": None}}
    parameters = {"step": step, "net": {"path": None}} | extra
    return {"hash": f"h{step}", "seed": 0, "parameters": parameters, "environment": environment}


def test_runs_and_differences(tmp_path):
    trackers = {
        "A": [run(tmp_path / "a0", 0, record(1)), run(tmp_path / "a1", 1, record(1))],
        "B": [run(tmp_path / "b", None, record(2, extra=[3]), "other")],
    }
    found = provenance(trackers)
    assert found.runs.rows == (("A", "dimp/lite", "0, 1", "h1"), ("B", "dimp/other", "–", "h2"))
    assert found.common == "Seed: 0. Device: Some CPU. Versions: torch 2.7"
    assert found.differences.rows == (("step", "1", "2"), ("extra", "–", "[3]"))


def test_runs_that_do_not_agree_are_told_apart(tmp_path):
    other = record(7)
    other["environment"]["device_name"] = "Some GPU"
    trackers = {
        "A": [run(tmp_path / "a0", 0, record(1)), run(tmp_path / "a1", 1, other)],
        "B": [run(tmp_path / "b", 0, record(1))],
    }
    found = provenance(trackers)
    assert [column.key for column in found.runs.columns] == ["tracker", "parameters", "runs", "hash", "device"]
    assert [row[3:] for row in found.runs.rows] == [("h1; h7", "Some CPU; Some GPU"), ("h1", "Some CPU")]


def test_foreign_and_damaged_results(tmp_path):
    found = provenance({"A": [run(tmp_path / "a")], "B": [run(tmp_path / "b", None, [1, 2])]})
    assert [row[3] for row in found.runs.rows] == [UNKNOWN, UNKNOWN]
    assert found.differences.rows == ()
    assert found.common == ""
    (tmp_path / "broken.json").write_text("{")
    assert read_record(tmp_path / "broken.json") == {}
    assert read_record(tmp_path / "absent.json") == {}
