import json

import cv2
import numpy as np
import pytest

from ltr.common.claims import claim
from ltr.common.device_errors import DeviceError
from ltr.common.errors import InputError
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.tracker_setup import SetupError
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


def test_results_from_before_a_parameter_existed(tmp_path, sequence):
    run(sequence, tmp_path)
    folder = tmp_path / "wander_default" / "baseline"
    record = json.loads((folder / "run.json").read_text())
    del record["parameters"]["delay"]
    (folder / "run.json").write_text(json.dumps(record | {"hash": "before"}))
    info = folder / "walk" / "walk_info.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"hash": "before"}))
    assert run(sequence, tmp_path, repetitions=3).kept == 2
    with pytest.raises(InputError, match=r"parameters\.delay: nothing there, 0\.5 here"):
        run(sequence, tmp_path, tracker={"display_name": "wander_default", "overrides": {"delay": 0.5}})


def repaint(sequence, brightness):
    for frame in sequence.frames:
        cv2.imwrite(str(frame), np.full((48, 64, 3), brightness, np.uint8))


def test_results_of_another_copy(tmp_path, sequence):
    """Equal names, lengths and boxes, other images: neither kept as if they were of this copy, nor lost."""
    results = tmp_path / "results"
    run(sequence, results)
    before = files(results)
    other = small_sequence(tmp_path / "infrared", polygons=True)
    repaint(other, 60)
    summary = run(other, results)
    assert (summary.done, summary.kept) == (0, 0)
    assert "holds results that were made on other data" in summary.failed["walk"]
    assert f"folder: {tmp_path}/data/walk/color there, {tmp_path}/infrared/walk/color here" in summary.failed["walk"]
    assert files(results) == before
    assert run(other, results, overwrite=True).done == 2
    aside = results / "wander_default" / "baseline.replaced-data" / "walk"
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == {p.name: c for p, c in before.items()}
    assert run(other, results).kept == 2


def test_another_annotation_counts_in_every_row(tmp_path, sequence):
    run(sequence, tmp_path / "results")
    corners = np.array(sequence.ground_truth_polygons)
    corners[7] += 1  # a failure is judged by it
    corrected = Sequence("walk", sequence.frames, "vot2018", sequence.ground_truth_rect, ground_truth_polygons=corners)
    assert "annotation: " in run(corrected, tmp_path / "results").failed["walk"]


def test_results_of_an_earlier_version_are_kept(tmp_path, sequence, capsys):
    run(sequence, tmp_path)
    next(tmp_path.rglob("walk_info.json")).unlink()
    assert run(sequence, tmp_path).kept == 2
    assert "made by an earlier version" in capsys.readouterr().err
    assert not list(tmp_path.rglob("walk_info.json"))


@pytest.mark.parametrize(
    "cut", [lambda text: text[:-1], lambda text: text[: len(text) // 2], lambda text: "no region\n"]
)
def test_a_damaged_repetition_is_run_again(tmp_path, sequence, cut):
    run(sequence, tmp_path, repetitions=3)
    path = repetition_file(tmp_path / "wander_default" / "baseline", "walk", 2)
    text = path.read_text()
    path.write_text(cut(text))
    summary = run(sequence, tmp_path, repetitions=3)
    assert (summary.done, summary.kept) == (1, 2)
    assert path.read_text() == text


def test_names_that_collide(tmp_path, sequence):
    other = small_sequence(tmp_path / "other", "Walk")
    with pytest.raises(InputError, match="'walk' and 'Walk' would share a folder"):
        run_vot_experiment(DummyTracker("wander", "default"), [sequence, other], PROTOCOL, folder=tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_failed_start_does_not_block_the_corrected_one(tmp_path, sequence):
    sequence.frames[3].rename(tmp_path / "kept.jpg")
    assert run(sequence, tmp_path, tracker={"display_name": "mine", "seed": 1}).failed
    (tmp_path / "kept.jpg").rename(sequence.frames[3])
    assert run(sequence, tmp_path, tracker={"display_name": "mine", "seed": 2}).done == 2


def test_a_failing_sequence_does_not_stop_the_others(tmp_path, sequence):
    damaged = small_sequence(tmp_path / "data", "damaged")
    damaged.frames[5].write_bytes(b"no image")
    tracker = DummyTracker("wander", "default")
    summary = run_vot_experiment(tracker, [damaged, sequence], PROTOCOL, folder=tmp_path, repetitions=1)
    assert summary.done == 1
    assert "00000006.jpg is no image" in summary.failed["damaged"]
    assert "1 sequences failed" in summary.describe()
    assert not (tmp_path / "wander_default" / "baseline" / "damaged" / "damaged_001.txt").exists()


def test_a_tracker_that_cannot_start_stops_the_experiment(tmp_path, sequence):
    (tmp_path / "net.pth").write_bytes(b"nothing")
    with pytest.raises(SetupError, match=r"net\.pth"):
        run(sequence, tmp_path / "results", tracker={"overrides": {"network": str(tmp_path / "net.pth")}})


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
