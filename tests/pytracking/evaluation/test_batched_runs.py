import io
import json

import numpy as np
import pytest
from rich.console import Console

from pytracking.evaluation.batched_runs import batch_key, run_sequence_together
from pytracking.evaluation.engines.local import LocalEngine
from pytracking.evaluation.engines.serial import SerialEngine
from pytracking.evaluation.jobs import Job, Stopped, run_batch
from pytracking.evaluation.planning import Part, make_batches
from pytracking.evaluation.results import ResultStore, load_result
from pytracking.evaluation.running import run_parts
from pytracking.evaluation.tracker import Tracker
from pytracking.utils.errors import InputError
from tests.pytracking.dummy import DummyTracker, make_sequence, write_black_frame
from tests.pytracking.dummy.tracker.stroll.stroll import Stroll, Walk


@pytest.fixture(autouse=True)
def batches():
    Walk.batches.clear()
    return Walk.batches


@pytest.fixture
def sequence(tmp_path):
    return make_sequence(tmp_path / "data", "a")


def runs(folder, count=3, parameters="default", name="stroll"):
    return [DummyTracker(name, parameters, run, results_path=folder) for run in range(count)]


def jobs_of(trackers, *sequences):
    jobs = []
    for tracker in trackers:
        store = ResultStore(tracker)
        store.open()
        jobs += [Job(sequence, tracker, store) for sequence in sequences]
    return jobs


def sweep(trackers, sequences, batch_runs, engine=None):
    console = Console(file=io.StringIO())
    parts = [Part(trackers, sequences)]
    summary = run_parts(parts, engine or SerialEngine(), batch_runs=batch_runs, console=console)
    return summary, console.file.getvalue()


def test_outputs_are_those_of_single_runs(tmp_path, sequence, batches):
    trackers = runs(tmp_path)
    seen = []
    together = run_sequence_together(trackers, sequence, lambda *frames: seen.append(frames))
    assert batches == [3] * 5
    assert seen == [(number, 6) for number in range(1, 7)]
    for tracker, output in zip(trackers, together, strict=True):
        single = tracker.run_sequence(sequence)
        assert {**single, "time": 0, "peak_memory": 0} == {**output, "time": 0, "peak_memory": 0}
        assert len(output["time"]) == 6
    assert together[0]["target_bbox"] != together[1]["target_bbox"]
    assert together[0]["time"] == together[1]["time"]  # each has its share


def test_an_error_of_one_run_fails_that_run(tmp_path, sequence, monkeypatch):
    trackers = runs(tmp_path)
    write_black_frame(sequence.frames[3])
    monkeypatch.setattr(Stroll, "fragile", {trackers[1].sequence_seed("a")})
    outputs = run_sequence_together(trackers, sequence)
    assert isinstance(outputs[1], RuntimeError)
    assert "in frame 4 of 6 of" in outputs[1].__notes__[0]
    for place in (0, 2):
        assert outputs[place]["target_bbox"] == trackers[place].run_sequence(sequence)["target_bbox"]
    monkeypatch.setattr(Stroll, "fragile", {tracker.sequence_seed("a") for tracker in trackers})
    assert all(isinstance(output, RuntimeError) for output in run_sequence_together(trackers, sequence))


def test_a_broken_image_fails_all(tmp_path, sequence):
    sequence.frames[2].write_bytes(b"nothing")
    outcomes = run_batch(jobs_of(runs(tmp_path), sequence))
    assert [outcome.status for outcome in outcomes] == ["failed"] * 3
    assert "frame 3 of 6" in outcomes[2].message


def test_a_batch_is_saved_as_single_runs_are(tmp_path, sequence, monkeypatch):
    trackers = runs(tmp_path / "together")
    write_black_frame(sequence.frames[3])
    monkeypatch.setattr(Stroll, "fragile", {trackers[2].sequence_seed("a")})
    summary, text = sweep(trackers, [sequence], 20)
    assert [outcome.status for outcome in summary.outcomes] == ["done", "done", "failed"]
    assert "RuntimeError: it is too dark" in text
    sweep(runs(tmp_path / "single"), [sequence], 1)
    for tracker, single in zip(trackers[:2], runs(tmp_path / "single"), strict=False):
        np.testing.assert_array_equal(*(load_result(t.results_dir, "a").boxes for t in (tracker, single)))
        record, alone = (json.loads((t.results_dir / "a_info.json").read_text()) for t in (tracker, single))
        assert record["batch_runs"] == 3
        assert "batch_runs" not in alone
        assert record["hash"] == alone["hash"]
        assert record["seed"] == alone["seed"]
    assert not (trackers[2].results_dir / "a.txt").exists()


def test_what_is_there_is_not_run_again(tmp_path, sequence, batches):
    trackers = runs(tmp_path, 4)
    sweep(trackers[:1], [sequence], 1)
    batches.clear()
    jobs = jobs_of(trackers, sequence)
    with jobs[3].store.claim(sequence):
        outcomes = run_batch(jobs)
    assert [outcome.status for outcome in outcomes] == ["skipped", "done", "done", "claimed"]
    assert batches == [2] * 5
    summary, _ = sweep(trackers, [sequence], 4)
    assert [outcome.status for outcome in summary.outcomes] == ["skipped"] * 3 + ["done"]
    assert batches == [2] * 5 + [1] * 5


def test_stopped_batches_leave_nothing(tmp_path, sequence):
    def stop(finished, total):
        raise Stopped

    jobs = jobs_of(runs(tmp_path), sequence)
    assert [outcome.status for outcome in run_batch(jobs, stop)] == ["stopped"] * 3
    assert [path.name for path in jobs[0].store.folder.iterdir()] == ["run.json"]


def test_batches_of_worker_processes(tmp_path, sequence):
    trackers = runs(tmp_path, 5)
    summary, _ = sweep(trackers, [sequence], 3, LocalEngine(1))
    assert [outcome.status for outcome in summary.outcomes] == ["done"] * 5
    sizes = [json.loads((t.results_dir / "a_info.json").read_text())["batch_runs"] for t in trackers]
    assert sizes == [3, 3, 3, 2, 2]


def test_who_runs_together(tmp_path, sequence):
    other = make_sequence(tmp_path / "data", "b")
    trackers = [*runs(tmp_path, 3), *runs(tmp_path, 2, "other"), *runs(tmp_path, 2, name="wander")]
    jobs = [job for _, job in sorted(enumerate(jobs_of(trackers, sequence, other)), key=lambda e: e[1].tracker.run_id)]
    batches, apart = make_batches(jobs, 3)
    assert apart == ["wander default"]
    names = [[job.name for job in batch] for batch in batches]
    assert names[0] == [f"stroll_default_{run:03d} a" for run in range(3)]
    assert names[3] == [f"stroll_other_{run:03d} b" for run in range(2)]
    assert [len(batch) for batch in batches] == [3, 3, 2, 2, 1, 1, 1, 1]
    halves = [[job.name[-5:] for job in batch] for batch in make_batches(jobs, 2)[0]]
    assert halves[:2] == [["000 a", "001 a"], ["000 b", "001 b"]]  # all first batches before the second ones
    assert halves[-2:] == [["002 a"], ["002 b"]]
    assert make_batches(jobs, 1) == ([(job,) for job in jobs], [])
    assert make_batches([], 5) == ([], [])
    with pytest.raises(InputError, match="wander default cannot run in lock-step"):
        make_batches([job for job in jobs if job.tracker.name == "wander"], 5)


def test_trackers_with_the_same_network_run_together():
    keys = {name: batch_key(Tracker("dimp", name)) for name in ("dimp50", "rls_dimp50", "dimp18")}
    assert keys["dimp50"] == keys["rls_dimp50"] != keys["dimp18"]
    assert batch_key(Tracker("dimp", "dimp50", device="cpu")) != keys["dimp50"]
    assert batch_key(Tracker("rtmdnet", "rtmdnet_lite")) is None
