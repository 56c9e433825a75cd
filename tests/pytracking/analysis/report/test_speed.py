import json
from dataclasses import replace

import numpy as np
import pytest

from pytracking.analysis.evaluation import evaluate
from pytracking.analysis.paper_tables import Group, our_groups
from pytracking.analysis.report import make_report
from pytracking.analysis.report.speed import speed_notices
from pytracking.analysis.run_scores import ScoringOptions
from pytracking.evaluation import Tracker
from pytracking.evaluation.sweep import Sweep, SweepPart, SweepTracker
from tests.pytracking.dummy import make_sequence

QUIET = {
    "device": "cpu", "device_name": None, "processor": "a processor", "torch_threads": 2, "workers": 1,
    "load_average": 1.25, "versions": {"python": "3.11.7", "torch": "2.5.0"},
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """A tracker with records of these environments, each of one sequence, in its run of this number."""

    def write_run(name: str, *environments: dict, run: int | None = None) -> Tracker:
        tracker = Tracker("t", name, run, name, results_path=tmp_path)
        tracker.results_dir.mkdir(parents=True)
        for sequence, environment in zip("ab", environments, strict=False):
            info = {"frames": 6, "fps": 10.0, "environment": environment}
            (tracker.results_dir / f"{sequence}_info.json").write_text(json.dumps(info))
        return tracker

    return write_run


def notice(*trackers: Tracker) -> str:
    grouped: dict[str, list[Tracker]] = {}
    for tracker in trackers:
        grouped.setdefault(tracker.display_name, []).append(tracker)
    return " ".join(speed_notices(grouped, "ab"))


def test_equal_conditions(write):
    other = QUIET | {"load_average": 2.0}  # an average over a minute wavers
    assert notice(write("one", QUIET, QUIET), write("two", other, other)) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"torch_threads": 4}, "threads (one: 2; two: 4)"),
        ({"workers": 8}, "processes at a time (one: 1; two: 8)"),
        ({"processor": "another"}, "device (one: a processor; two: another)"),
        ({"device": "cuda", "device_name": "a GPU"}, "device (one: a processor; two: a GPU with a processor)"),
        ({"load_average": 3.5}, "load of the machine (one: 1.2; two: 3.5)"),
        ({"versions": {"python": "3.11.7", "torch": "2.6.0"}}, "torch (one: 2.5.0; two: 2.6.0)"),
        ({"workers": None}, "processes at a time (one: 1; two: not recorded)"),
    ],
)
def test_what_differs_is_said(write, change, said):
    other = {key: value for key, value in (QUIET | change).items() if value is not None or key == "device_name"}
    text = notice(write("one", QUIET, QUIET), write("two", other, other))
    assert text == f"fps were measured under different conditions, compare them with care: {said}."


def test_runs_and_sequences_of_one_tracker(write):
    slow = QUIET | {"torch_threads": 1}
    assert "threads (one: 1, 2)" in notice(write("one", QUIET, slow))
    assert "threads (two: 1, 2)" in notice(write("two", QUIET, run=0), write("two", slow, run=1))


def test_without_records(write):
    assert "no records of two" in notice(write("one", QUIET), write("two"))
    assert notice(write("three"), write("four")) == ""


def test_reports_and_tables_with_fps_say_so(write, tmp_path, monkeypatch):
    trackers = [write("one", QUIET, QUIET), write("two", QUIET, QUIET | {"workers": 3})]
    dataset = [make_sequence(tmp_path / "images", name, 6) for name in "ab"]
    for tracker in trackers:
        for sequence in dataset:
            np.savetxt(tracker.results_dir / f"{sequence.name}.txt", sequence.ground_truth_rect, delimiter="\t")
    evaluation = evaluate(trackers, dataset, options=ScoringOptions(cache=None))
    report = make_report(evaluation, {tracker.display_name: [tracker] for tracker in trackers}, dataset)
    said = "processes at a time (one: 1; two: 1, 3)"
    assert said in " ".join(report.notices)
    assert said in report.markdown()
    parts = SweepPart(("dummy",), tuple(SweepTracker(name, "t", name, (None,)) for name in ("one", "two")))
    monkeypatch.setattr(SweepPart, "load", lambda self, present_only: ({"dummy": dataset}, []))
    sweep = Sweep("mine", "Mine", (parts,))
    group = Group("Dummy", "dummy", ("success", "fps"), {})
    (ours,) = our_groups(group, sweep, lite=False, results_path=tmp_path)
    assert said in " ".join(ours.notes)
    (ours,) = our_groups(replace(group, metrics=("success",)), sweep, lite=False, results_path=tmp_path)
    assert not ours.notes
