import pytest

from pytracking.evaluation.engines import dispatcher as module
from pytracking.evaluation.engines.dispatcher import MAX_VICTIMS, Dispatcher, GpuWatch
from pytracking.evaluation.jobs import Job
from tests.pytracking.dummy import DummyTracker, make_sequence


class Log:
    """Listener that keeps what it hears."""

    def __init__(self):
        self.notices, self.outcomes = [], []

    def start(self, job): ...

    def frame(self, job, finished, total): ...

    def notice(self, text):
        self.notices.append(text)

    def finish(self, job, outcome):
        self.outcomes.append((job.sequence.name, outcome.status))
        self.last = outcome


@pytest.fixture
def jobs(tmp_path):
    tracker = DummyTracker("wander", "default", results_path=tmp_path)
    return [Job(make_sequence(tmp_path, name, 1), tracker, None) for name in "abc"]


def test_order_and_end(jobs):
    log = Log()
    dispatcher = Dispatcher(jobs, log)
    taken = [dispatcher.take() for _ in range(4)]
    assert [a and a.job.sequence.name for a in taken] == ["a", "b", "c", None]
    for attempt in taken[:3]:
        dispatcher.finish(attempt, attempt.job.outcome("done"))
    assert log.outcomes == [("a", "done"), ("b", "done"), ("c", "done")]
    assert dispatcher.num_waiting == 0


def test_a_job_may_lose_one_worker(jobs):
    log = Log()
    dispatcher = Dispatcher(jobs[:1], log)
    dispatcher.lose(dispatcher.take(), "was killed (SIGKILL)")
    assert log.notices == ["wander_default a: its worker was killed (SIGKILL); it is run again"]
    dispatcher.lose(dispatcher.take(), "was killed (SIGSEGV)")
    assert log.outcomes == [("a", "failed")]
    assert dispatcher.num_waiting == 0


def test_a_job_may_lose_one_gpu(jobs):
    log = Log()
    dispatcher = Dispatcher(jobs[:1], log)
    for _ in range(2):
        attempt = dispatcher.take()
        dispatcher.finish(attempt, jobs[0].outcome("failed", device_failure="cuDNN error: X", traceback="where"))
    assert log.notices == ["wander_default a: its worker lost its GPU (cuDNN error: X); it is run again"]
    assert log.outcomes == [("a", "failed")]
    assert log.last.message == "2 workers died of it; the last one lost its GPU (cuDNN error: X)"
    assert log.last.traceback == "where"
    assert dispatcher.num_waiting == 0


def test_a_gpu_is_bad_where_one_sequence_after_the_other_fails(jobs):
    watch = GpuWatch()
    lost = [job.outcome("failed", device_failure="CUDA error: X") for job in jobs]
    assert len(lost) == MAX_VICTIMS
    for _ in range(5):
        watch.see(lost[0])  # perhaps the sequence's fault
    watch.see(lost[1])
    watch.see(jobs[0].outcome("failed", message="no"))  # this and the next say nothing about the GPU
    watch.see(jobs[1].outcome("skipped"))
    assert not watch.is_bad
    watch.see(jobs[0].outcome("done"))
    for outcome in lost:
        assert not watch.is_bad
        watch.see(outcome)
    assert watch.is_bad
    assert watch.error().found == "CUDA error: X in one worker after the other"


def test_claimed_jobs_come_last_and_later(jobs, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    log = Log()
    dispatcher = Dispatcher(jobs[:2], log)
    first = dispatcher.take()
    dispatcher.finish(first, first.job.outcome("claimed", message="process 7 on here"))
    assert dispatcher.take().job.sequence.name == "b"
    assert dispatcher.take() is None
    assert dispatcher.num_waiting == 1
    assert dispatcher.pause() == module.CLAIM_PAUSE
    now[0] += module.CLAIM_PAUSE
    again = dispatcher.take()
    assert again.job is first.job
    dispatcher.finish(again, again.job.outcome("claimed", message="process 7 on here"))
    assert log.notices == ["wander_default a: left for later: process 7 on here is at it"]  # said once
    assert log.outcomes == []


def test_fail_fast_hands_out_nothing_more(jobs):
    log = Log()
    dispatcher = Dispatcher(jobs, log, fail_fast=True)
    attempt = dispatcher.take()
    dispatcher.finish(attempt, attempt.job.outcome("failed", message="no"))
    assert dispatcher.is_stopping
    assert dispatcher.take() is None
    assert dispatcher.num_waiting == 0
