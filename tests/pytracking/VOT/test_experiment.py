import pytest

from ltr.admin.claims import claim
from ltr.admin.device_errors import DeviceError
from pytracking.utils.errors import InputError
from pytracking.VOT.analysis import score_tracker
from pytracking.VOT.experiment import repetition_file, run_vot_experiment, tracker_id
from pytracking.VOT.protocols import read_protocol
from pytracking.VOT.regions import read_regions
from pytracking.VOT.sequences import vot_sequence
from tests.pytracking.VOT.dummies import DummyTracker, small_sequence

PROTOCOL = read_protocol("vot2018")


@pytest.fixture
def sequence(tmp_path):
    return small_sequence(tmp_path / "data", polygons=True)


def run(sequence, folder, repetitions=2, parameters="default", **options):
    tracker = DummyTracker("wander", parameters, **options.pop("tracker", {}))
    return run_vot_experiment(tracker, [sequence], PROTOCOL, folder=folder, repetitions=repetitions, **options)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("walk_*") if path.is_file()}


def test_files(tmp_path, sequence):
    summary = run(sequence, tmp_path / "results")
    assert (summary.done, summary.kept, summary.failed) == (2, 0, {})
    folder = tmp_path / "results" / "wander_default" / "baseline"
    path = repetition_file(folder, "walk", 2)
    regions = read_regions(path)
    assert len(regions) == 12
    assert regions.row(0) == [1]
    assert len(path.with_name("walk_002_time.value").read_text().splitlines()) == 12
    assert float(path.with_name("walk_002_confidence.value").read_text().splitlines()[0]) == 1
    assert not list(tmp_path.rglob("*.tmp*"))
    assert not list(tmp_path.rglob("*.claim"))


def test_scores_of_its_own_results(tmp_path, sequence):
    run(sequence, tmp_path / "results")
    for convention in ("challenge", "toolkit"):
        scores = score_tracker(
            tmp_path / "results" / "wander_default", [vot_sequence(sequence)], PROTOCOL, convention=convention
        )
        assert scores.runs.tolist() == [2]
        assert 0 < scores.eao_curve[3] <= 1


def test_repetitions_differ_and_can_be_repeated(tmp_path, sequence):
    for name in ("a", "b"):
        run(sequence, tmp_path / name, repetitions=3)
    first, second = (
        {path: content for path, content in files(tmp_path / name).items() if "time" not in path.name}
        for name in ("a", "b")
    )
    assert first == second
    assert len({content for path, content in first.items() if path.suffix == ".txt"}) == 3


def test_resumes(tmp_path, sequence):
    folder = tmp_path / "results"
    run(sequence, folder, repetitions=3)
    kept = files(folder)
    lost = repetition_file(folder / "wander_default" / "baseline", "walk", 2)
    text = lost.read_text()
    lost.unlink()
    summary = run(sequence, folder, repetitions=3)
    assert (summary.done, summary.kept) == (1, 2)
    assert lost.read_text() == text
    assert {p: c for p, c in files(folder).items() if "_002" not in p.name} == {
        p: c for p, c in kept.items() if "_002" not in p.name
    }
    assert run(sequence, folder, repetitions=4).done == 1


def test_three_equal_repetitions_are_enough(tmp_path, sequence):
    tracker = {"overrides": {"step": 0.0}, "label": "still"}
    summary = run(sequence, tmp_path, repetitions=15, tracker=tracker)
    assert summary.done == 3
    assert run(sequence, tmp_path, repetitions=15, tracker=tracker).done == 0
    assert (tmp_path / "wander_default-still" / "baseline").is_dir()


def test_results_of_other_parameters(tmp_path, sequence):
    run(sequence, tmp_path, tracker={"display_name": "mine"})
    with pytest.raises(InputError, match=r"other parameters:\n[^$]*parameters\.delay: 0\.0 there"):
        run(sequence, tmp_path, parameters="slow", tracker={"display_name": "mine"})
    assert run(sequence, tmp_path, parameters="slow", tracker={"display_name": "mine"}, overwrite=True).done == 2
    assert list((tmp_path / "mine").glob("baseline.replaced-*"))


def test_a_failing_sequence_does_not_stop_the_others(tmp_path, sequence):
    damaged = small_sequence(tmp_path / "data", "damaged")
    damaged.frames[5].write_bytes(b"no image")
    tracker = DummyTracker("wander", "default")
    summary = run_vot_experiment(tracker, [damaged, sequence], PROTOCOL, folder=tmp_path, repetitions=1)
    assert summary.done == 1
    assert "00000006.jpg is no image" in summary.failed["damaged"]
    assert "1 sequences failed" in summary.describe()
    assert not (tmp_path / "wander_default" / "baseline" / "damaged" / "damaged_001.txt").exists()


def test_sequence_of_another_process_is_left_to_it(tmp_path, sequence):
    folder = tmp_path / "wander_default" / "baseline"
    run(sequence, tmp_path, repetitions=1)
    with claim(folder / ".walk.claim"):
        summary = run(sequence, tmp_path)
    assert (summary.done, summary.busy) == (0, ["walk"])


def test_real_time(tmp_path, sequence):
    """The slow tracker needs 20 ms a frame at least; with frames every 50 ms it keeps up, more or less."""
    run(sequence, tmp_path, 1, "slow", experiment_name="realtime")
    assert repetition_file(tmp_path / "wander_slow" / "realtime", "walk", 1).exists()


def test_tracker_names():
    assert tracker_id(DummyTracker("wander", "default", display_name="RLS-DiMP* β")) == "RLS-DiMP---"


def test_it_ends_with_its_gpu(tmp_path, sequence, monkeypatch):
    """Whatever this process did from then on would fail: no sequence is told to have failed."""
    tracker = DummyTracker("wander", "default").tracker_class()
    monkeypatch.setattr(tracker, "lost_gpu", True)
    with pytest.raises(DeviceError, match="the GPU failed: CUDA error: an illegal memory access was encountered; only"):
        run(sequence, tmp_path / "results")
    monkeypatch.setattr(tracker, "lost_gpu", False)
    assert run(sequence, tmp_path / "results").done == 2
