import io
import json

import pytest
from rich.console import Console

from ltr.common.errors import InputError
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.dry_run import show_plan
from pytracking.evaluation.engines.serial import SerialEngine
from pytracking.evaluation.planning import Part, make_plan
from pytracking.evaluation.running import run_parts
from tests.pytracking.dummy import DummyTracker, make_sequence


@pytest.fixture
def sequences(tmp_path):
    return [make_sequence(tmp_path / "data", name) for name in ("a", "b", "c")]


def trackers(folder, **options):
    return [DummyTracker("wander", "default", run, results_path=folder, **options) for run in (0, 1)]


def run(parts):
    run_parts(parts, SerialEngine(), console=Console(file=io.StringIO()))


def shown(*args, **options):
    console = Console(file=io.StringIO())
    status = show_plan(*args, console=console, **options)
    return status, console.file.getvalue()


def test_states_and_order(tmp_path, sequences):
    runs = trackers(tmp_path)
    run([Part(runs[:1], sequences[:2])])
    plan = make_plan([Part(runs, sequences)])
    assert [(p.job.tracker.run_id, p.job.sequence.name, p.state) for p in plan.jobs] == [
        (0, "a", "done"), (0, "b", "done"), (0, "c", "to do"), (1, "a", "to do"), (1, "b", "to do"), (1, "c", "to do"),
    ]  # fmt: skip
    again = make_plan([Part(runs, sequences)], overwrite=True).with_state("again")
    assert [planned.reason for planned in again] == ["--overwrite"] * 2


def test_other_parameters(tmp_path, sequences):
    run([Part(trackers(tmp_path)[:1], sequences[:1])])
    parts = [Part(trackers(tmp_path, seed=3), sequences[:1])]
    plan = make_plan(parts)
    assert [planned.state for planned in plan.jobs] == ["refused", "to do"]
    assert "seed: 0 there, 3 here" in plan.jobs[0].reason
    assert "set aside" in make_plan(parts, overwrite=True).jobs[0].reason
    status, text = shown(parts)
    assert status == 2
    assert "refused: wander_default_000 a:" in text


def test_result_of_other_data(tmp_path, sequences):
    run([Part(trackers(tmp_path)[:1], sequences[:1])])
    longer = make_sequence(tmp_path / "data", "a", 9)
    plan = make_plan([Part(trackers(tmp_path)[:1], [longer])])
    assert plan.jobs[0].state == "refused"
    assert "frames: 6 there, 9 here" in plan.jobs[0].reason


def test_dry_run_touches_nothing_and_estimates(tmp_path, sequences):
    parts = [Part(trackers(tmp_path / "results"), sequences)]
    status, text = shown(parts)
    assert status == 0
    assert "6 of 6 jobs to run, 36 frames; no estimate of the time: no speed is recorded of wander default" in text
    assert not (tmp_path / "results").exists()
    run([Part(parts[0].trackers[:1], sequences[:1])])
    info = tmp_path / "results" / "wander" / "default_000" / "a_info.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"fps": 0.5}))
    before = sorted(path.name for path in info.parent.iterdir())
    text = shown(parts, workers=2)[1]
    assert "5 of 6 jobs to run, 30 frames; about 30 s with 2 workers" in text  # 30 frames / 0.5 fps / 2
    assert sorted(path.name for path in info.parent.iterdir()) == before
    assert "0 of 1 jobs to run, 0 frames\n" in shown([Part(parts[0].trackers[:1], sequences[:1])])[1]


def test_data_that_cannot_be_read_is_announced(tmp_path):
    missing = Sequence("gone", _no_frames, "dummy", [[1.0, 2.0, 3.0, 4.0]])
    text = shown([Part(trackers(tmp_path)[:1], [missing])])[1]
    assert "1 jobs will fail, their data cannot be read: wander_default_000 gone" in text


def _no_frames():
    raise InputError("no frames")


def test_two_parts_with_the_same_files(tmp_path, sequences):
    part = Part(trackers(tmp_path), sequences)
    with pytest.raises(InputError, match="two parts would write the same result files"):
        make_plan([part, part])
