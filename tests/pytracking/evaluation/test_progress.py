import io

import pytest
from rich.console import Console

from pytracking.evaluation import progress as module
from pytracking.evaluation.jobs import Job
from pytracking.evaluation.progress import ProgressReport, describe_seconds
from tests.pytracking.dummy import DummyTracker, make_sequence


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def jobs(tmp_path):
    tracker = DummyTracker("wander", "default", results_path=tmp_path)
    return [Job(make_sequence(tmp_path, name, 10), tracker, None) for name in "abc"]


def test_rate_and_time_left_count_frames_of_all_workers(jobs, clock):
    console = Console(file=io.StringIO(), width=200)
    with ProgressReport(3, console, lambda job: 10, frames_left=30) as report:
        assert report.seconds_left() is None  # nothing is known yet
        for job in jobs[:2]:
            report.start(job)
        clock[0] += 2
        report.frame(jobs[0], 5, 10)
        report.frame(jobs[1], 3, 10)
        assert report.fps() == pytest.approx(4)
        assert report.seconds_left() == pytest.approx(22 / 4)
        clock[0] += 2
        report.finish(jobs[0], jobs[0].outcome("done", frames=10, seconds=2.0, auc=0.5))
        assert report.fps() == pytest.approx(13 / 4)
        report.finish(jobs[1], jobs[1].outcome("failed", message="no"))
    lines = console.file.getvalue().splitlines()
    assert lines == [
        "[1/3] wander_default a: 10 frames, 5.0 fps, AUC 0.500; 5 s left",  # 17 frames at 13/4 a second
        "[2/3] wander_default b: FAILED: no; 3 s left",
    ]
    assert report.score_lines() == ["wander default  0.500  (1 sequences)"]


def test_live_view_in_a_terminal(jobs, clock):
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with ProgressReport(3, console, lambda job: 10, frames_left=30) as report:
        report.start(jobs[0])
        clock[0] += 1
        report.frame(jobs[0], 5, 10)
        report.finish(jobs[1], jobs[1].outcome("done", frames=10, seconds=1.0, auc=0.25))
        with console.capture() as capture:
            console.print(report._view())
    text = capture.get()
    for part in ("1/3 finished, 1 running, 0 failed", "15.0 fps, 1 s left", "wander_default a: frame 5/10", "0.250"):
        assert part in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (90, "2 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min"), (400_000, "4 d 15 h")],
)
def test_durations(seconds, text):
    assert describe_seconds(seconds) == text
