import pickle
from dataclasses import replace
from functools import partial

import pytest

from pytracking.evaluation.data import Sequence
from pytracking.evaluation.jobs import Finished, Job, Stopped, pack, run_guarded, run_packed, track_packed
from pytracking.evaluation.results import ResultStore, result_file
from tests.pytracking.dummy import DummyTracker, make_sequence, write_black_frame
from tests.pytracking.dummy.tracker.wander.wander import Wander


@pytest.fixture
def job(tmp_path):
    tracker = DummyTracker("wander", "default", results_path=tmp_path / "results")
    store = ResultStore(tracker)
    store.open()
    return Job(make_sequence(tmp_path, "a"), tracker, store)


def _frames(frames):
    return frames


def test_lists_that_can_be_read_again_do_not_travel(job):
    plain = job.sequence
    lazy = Sequence("a", partial(_frames, plain.frames), "dummy", plain.ground_truth_rect)
    sent = pickle.loads(pack(Job(lazy, job.tracker, job.store)))
    assert len(lazy.frames) == 6
    assert "frames" in vars(lazy)
    again = pickle.loads(pack(Job(lazy, job.tracker, job.store)))
    assert "frames" not in vars(again.sequence)
    assert again.sequence.frames == sent.sequence.frames == plain.frames


def test_updates_that_were_undone_are_told(job, monkeypatch):
    assert "undone" not in run_guarded(job).describe()
    track = Wander.track
    monkeypatch.setattr(Wander, "track", lambda *args: track(*args) | {"rejected_updates": 3})
    outcome = run_guarded(replace(job, overwrite=True))
    assert outcome.rejected_updates == 3
    assert outcome.describe().endswith(", 3 updates undone")


def test_a_result_can_be_saved_by_somebody_else(job):
    finished = track_packed(pack(job))
    assert isinstance(finished, Finished)
    assert not result_file(job.store.folder, "a").exists()
    job.store.write(job.sequence, finished.files)
    assert job.store.is_complete(job.sequence)
    other = run_guarded(job)
    assert (finished.outcome.status, other.status) == ("done", "skipped")


def test_failures_far_away(job):
    for run in (run_packed, track_packed):
        outcome = run(b"nonsense")
        assert (outcome.status, outcome.tracker) == ("failed", "")
        assert "Traceback" in outcome.traceback
    write_black_frame(job.sequence.frames[2])
    outcome = track_packed(pack(job))
    assert "it is too dark" in outcome.traceback


def test_a_score_on_the_screen_is_not_worth_a_result(job, monkeypatch):
    def broken(*args, **options):
        raise ZeroDivisionError

    monkeypatch.setattr("pytracking.evaluation.jobs.score_boxes", broken)
    outcome = run_guarded(job)
    assert (outcome.status, outcome.auc) == ("done", None)
    assert job.store.is_complete(job.sequence)


def test_stopped_jobs_leave_nothing(job):
    def stop(finished, total):
        raise Stopped

    assert run_guarded(job, stop).status == "stopped"
    assert [path.name for path in job.store.folder.iterdir()] == ["run.json"]


def test_a_job_that_another_process_holds_is_left(job):
    with job.store.claim(job.sequence):
        outcome = run_guarded(job)
    assert outcome.status == "claimed"
    assert "left for later: process" in outcome.describe()
    assert run_guarded(job).status == "done"
