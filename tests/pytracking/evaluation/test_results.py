import json
import os

import numpy as np
import pytest

from ltr.admin.checkpoint import file_sha256
from ltr.common.errors import InputError
from pytracking.evaluation import results as module
from pytracking.evaluation.results import ResultStore, UnwritableError, describe_run, load_result
from tests.pytracking.dummy import DummyTracker, make_sequence

OUTPUT = {
    "target_bbox": [[4.0, 5.0, 10.0, 8.0], [4.12345, 5.5, 10.0, 1e-3], [-3.25, 1000.0, 10.0, 8.0]],
    "time": [0.5, 0.25, 0.25],
    "object_presence_score": [1.0, 0.123456789, -0.5],
    "flag": ["init", "normal", "not_found"],
}


@pytest.fixture
def store(tmp_path):
    return ResultStore(DummyTracker("wander", "default", results_path=tmp_path / "results"))


@pytest.fixture
def sequence(tmp_path):
    return make_sequence(tmp_path / "data", "s", count=3)


def test_files(store, sequence):
    store.open()
    assert not store.is_complete(sequence)
    store.save(sequence, OUTPUT, seed=77)
    assert store.is_complete(sequence)
    assert (store.folder / "s.txt").read_text().splitlines()[1] == "4.1235\t5.5000\t10.0000\t0.0010"
    assert (store.folder / "s_time.txt").read_text() == "0.500000\n0.250000\n0.250000\n"
    result = load_result(store.folder, "s")
    np.testing.assert_allclose(result.boxes, OUTPUT["target_bbox"], atol=0.5e-4 * 1.001)  # four decimals
    np.testing.assert_allclose(result.scores, OUTPUT["object_presence_score"], atol=0.5e-6 * 1.001)
    assert result.flags == OUTPUT["flag"]
    assert result.fps == pytest.approx(3.0)
    info = json.loads((store.folder / "s_info.json").read_text())
    assert (info["seed"], info["frames"], info["fps"], info["dataset"]) == (77, 3, 3.0, "dummy")
    assert info["image_size"] == [48, 36]
    assert info["environment"]["torch_threads"] >= 1
    assert info["environment"]["workers"] == 1
    assert info["environment"]["load_average"] >= 0


@pytest.mark.parametrize(("reported", "count"), [({}, None), ({"rejected_updates": [0, 0, 2]}, 2)])
def test_updates_that_were_undone_are_counted(store, sequence, reported, count):
    store.open()
    store.save(sequence, OUTPUT | reported, seed=77)
    assert json.loads((store.folder / "s_info.json").read_text())["rejected_updates"] == count


def test_run_record(store):
    store.open()
    run = json.loads((store.folder / "run.json").read_text())
    assert run["parameters"] == {"step": 1.0, "delay": 0.0, "network": "", "white": "", "memo": ""}
    assert (run["tracker"], run["parameter_name"], run["run_id"], run["seed"]) == ("wander", "default", None, 0)
    environment = run["environment"]
    assert environment["versions"]["torch"]
    assert environment["processor"]
    assert not {"torch_threads", "workers", "load_average"} & environment.keys()  # not the same in all workers


def test_hash_follows_what_changes_results(tmp_path, monkeypatch):
    def hash_of(parameter="default", **options):
        return describe_run(DummyTracker("wander", parameter, results_path=tmp_path, **options))["hash"]

    assert hash_of() == hash_of(device="cpu")
    assert len({hash_of(), hash_of(seed=1), hash_of("slow")}) == 3
    before = hash_of()
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    assert hash_of() != before


def test_hash_of_the_network_file_counts(tmp_path, monkeypatch):
    class Net:
        digest = "one"

        def file_hash(self):
            return self.digest

    def parameters_with_net(self):
        params = original(self)
        object.__setattr__(params, "net", Net())
        return params

    original = DummyTracker.get_parameters
    monkeypatch.setattr(DummyTracker, "get_parameters", parameters_with_net)
    tracker = DummyTracker("wander", "default", results_path=tmp_path)
    one = describe_run(tracker)
    Net.digest = "two"
    assert one["network_sha256"] == "one"
    assert describe_run(tracker)["hash"] != one["hash"]


@pytest.mark.parametrize("device", ["cudaa", "cuda:77"])
def test_bad_device(tmp_path, device, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="device 'cuda"):
        describe_run(DummyTracker("wander", "default", device=device, results_path=tmp_path))


def test_missing_network_file(tmp_path, monkeypatch):
    class Net:
        def file_hash(self):
            return file_sha256(tmp_path / "dimp50.pth")

    original = DummyTracker.get_parameters

    def parameters_with_net(self):
        params = original(self)
        object.__setattr__(params, "net", Net())
        return params

    monkeypatch.setattr(DummyTracker, "get_parameters", parameters_with_net)
    with pytest.raises(InputError, match=r"dimp50\.pth does not exist"):
        describe_run(DummyTracker("wander", "default", results_path=tmp_path))


def test_results_without_record_are_foreign(store):
    store.folder.mkdir(parents=True)
    (store.folder / "s.txt").write_text("1\t2\t3\t4\n")
    with pytest.raises(InputError, match=r"s\.txt and no run\.json"):
        store.open()
    aside = store.open(overwrite=True)
    assert aside == store.folder.with_name("default.replaced-unknown")
    assert (aside / "s.txt").exists()


def test_damaged_record_is_not_trusted(store, sequence):
    store.open()
    (store.folder / "run.json").write_text("{")
    with pytest.raises(InputError, match="other parameters"):
        store.open()


def test_setting_aside_never_overwrites(store, tmp_path):
    for seed in (1, 2, 1, 2):
        ResultStore(DummyTracker("wander", "default", seed=seed, results_path=tmp_path / "results")).open(
            overwrite=True
        )
    assert len(list(store.folder.parent.glob("default.replaced-*"))) == 3


def test_a_failed_start_blocks_nothing(store, tmp_path, sequence):
    """Its run.json stands for no result; but a run that is at its first sequence is no failed start."""
    store.open()
    corrected = ResultStore(DummyTracker("wander", "default", seed=1, results_path=tmp_path / "results"))
    with store.claim(sequence), pytest.raises(InputError, match="made with other parameters"):
        corrected.open()
    assert corrected.open() is None
    assert json.loads((store.folder / "run.json").read_text())["seed"] == 1
    assert [path.name for path in store.folder.parent.iterdir()] == ["default"]
    corrected.save(sequence, OUTPUT, seed=1)
    with pytest.raises(InputError, match="made with other parameters"):
        store.open()


def test_temporary_files_of_sequences_with_awkward_names(store, tmp_path):
    store.open()
    with store.claim(make_sequence(tmp_path / "data", "s.v2")):
        kept = {".run.0123456789ab.tmp.txt", ".s.v2_info.0123456789ab.tmp.txt", ".s.0123456789ab.tmp.v2_probes"}
        for name in kept:
            (store.folder / name).touch()
    (store.folder / ".s.0123456789ab.tmp.v2_probe").touch()
    with store.claim(make_sequence(tmp_path / "data", "s.v2")):
        names = {path.name for path in store.folder.iterdir()}
    assert names == {"run.json", ".s.v2.claim", *kept}


def test_boxes_are_written_last(store, sequence, monkeypatch):
    store.open()
    replaced = []
    replace = os.replace
    monkeypatch.setattr(module.os, "replace", lambda a, b: (replaced.append(b.name), replace(a, b)))
    store.save(sequence, OUTPUT, seed=0)
    assert replaced[-1] == "s.txt"
    assert len(replaced) == 5


def test_full_disk_keeps_the_old_result(store, sequence, monkeypatch):
    store.open()
    store.save(sequence, OUTPUT, seed=0)
    before = {path.name: path.read_bytes() for path in store.folder.iterdir()}
    write = module._write_synced

    def full(path, text):
        write(path, text[:10])
        if "object_presence" in path.name:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_synced", full)
    with pytest.raises(UnwritableError, match=r"cannot write results to .*: No space left on device"):
        store.save(sequence, OUTPUT, seed=0)
    assert {path.name: path.read_bytes() for path in store.folder.iterdir()} == before


def test_room_is_looked_for_before_tracking(store, sequence, monkeypatch):
    store.open()
    store.check_writable(sequence)

    def full(path, text):
        path.write_text(text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_synced", full)
    with pytest.raises(UnwritableError, match="No space left on device"):
        store.check_writable(sequence)
    assert [path.name for path in store.folder.iterdir()] == ["run.json"]


def test_what_a_killed_process_left_is_removed(store, sequence):
    store.open()
    left = [f".{name}.0123456789ab.tmp{end}" for name, end in (("s", ".txt"), ("s_time", ".txt"), ("s_probe", ""))]
    for name in (*left, ".other.0123456789ab.tmp.txt"):
        (store.folder / name).touch()
    with store.claim(sequence):
        names = {path.name for path in store.folder.iterdir()}
    assert names == {"run.json", ".s.claim", ".other.0123456789ab.tmp.txt"}


def test_results_replaced_meanwhile_are_not_mixed(store, sequence, tmp_path):
    store.open()
    other = ResultStore(DummyTracker("wander", "default", seed=1, results_path=tmp_path / "results"))
    other.open(overwrite=True)
    with pytest.raises(InputError, match=r"was replaced by another process(.|\n)*seed: 1 there, 0 here"):
        store.save(sequence, OUTPUT, seed=0)
    assert [path.name for path in store.folder.iterdir()] == ["run.json"]


def test_results_that_are_being_written_are_not_set_aside(store, sequence, tmp_path):
    store.open()
    other = ResultStore(DummyTracker("wander", "default", seed=1, results_path=tmp_path / "results"))
    with store.claim(sequence), pytest.raises(InputError, match=r"another process is writing .*\(\.s\.claim\)"):
        other.open(overwrite=True)
    assert other.open(overwrite=True) is not None


def test_runs_are_described_once(tmp_path, monkeypatch):
    class Stepped(DummyTracker):
        def get_parameters(self):
            return super().get_parameters().replace(step=float(self.run_id))

    described = []
    monkeypatch.setattr(module, "describe_run", lambda tracker: (described.append(tracker), describe_run(tracker))[1])
    plain = [DummyTracker("wander", "default", run, results_path=tmp_path) for run in range(4)]
    stepped = [Stepped("wander", "slow", run, results_path=tmp_path) for run in range(2)]
    stores = module.stores_of([*plain, *stepped])
    assert described == [plain[0], *stepped]  # a tracker with parameters of its own is asked itself
    assert [store.record for store in stores] == [describe_run(tracker) for tracker in (*plain, *stepped)]
    assert [list(store.record) for store in stores] == [list(describe_run(tracker)) for tracker in (*plain, *stepped)]


def test_record_of_overrides(tmp_path):
    tracker = DummyTracker("wander", "default", 3, results_path=tmp_path, overrides={"step": 2}, label="far")
    store = ResultStore(tracker)
    store.open()
    assert store.folder == tmp_path / "wander" / "default+far_003"
    run = json.loads((store.folder / "run.json").read_text())
    assert run["overrides"] == {"step": 2}
    assert run["parameters"]["step"] == 2
    assert run["hash"] != describe_run(DummyTracker("wander", "default", 3, results_path=tmp_path))["hash"]


def test_lists_that_are_no_longer_reported_disappear(store, sequence):
    store.open()
    store.save(sequence, OUTPUT, seed=0)
    store.save(sequence, OUTPUT | {"flag": [], "object_presence_score": []}, seed=0)
    result = load_result(store.folder, "s")
    assert result.flags == []
    assert len(result.scores) == 0


def test_missing_result(store):
    with pytest.raises(InputError, match="no result of sequence 's'"):
        load_result(store.folder, "s")


def recorded_before(folder, *names, **changed):
    """Make the records of a folder those of a version that had not these parameters yet."""
    run = json.loads((folder / "run.json").read_text())
    kept = {name: value for name, value in run["parameters"].items() if name not in names} | changed
    (folder / "run.json").write_text(json.dumps(run | {"hash": "0123456789abcdef", "parameters": kept}))
    for path in folder.glob("*_info.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"hash": "0123456789abcdef"}))


def stored_before(tmp_path, sequence, *names, **changed):
    store = ResultStore(DummyTracker("wander", "default", results_path=tmp_path, overrides={"step": 2}, label="a"))
    store.open()
    store.save(sequence, OUTPUT, seed=0)
    recorded_before(store.folder, *names, **changed)


def store_now(tmp_path, **overrides):
    return ResultStore(DummyTracker("wander", "default", results_path=tmp_path, overrides=overrides, label="a"))


@pytest.mark.parametrize("overrides", [{"step": 2}, {"step": 2, "delay": 0.0}])
def test_parameters_that_did_not_exist_count_as_their_defaults(tmp_path, sequence, overrides):
    stored_before(tmp_path, sequence, "delay", "memo")
    store = store_now(tmp_path, **overrides)
    assert store.conflict() == ""
    assert store.is_complete(sequence)
    assert store.open() is None
    other = make_sequence(tmp_path / "data", "t", count=3)
    store.save(other, OUTPUT, seed=0)
    assert store.is_complete(other)
    hashes = {json.loads(path.read_text())["hash"] for path in store.folder.glob("*.json")}
    assert hashes == {"0123456789abcdef"}  # what is added is of the same run
    again = store_now(tmp_path, **overrides)
    assert again.is_complete(sequence)
    assert again.is_complete(other)


@pytest.mark.parametrize(
    ("missing", "changed", "overrides", "difference"),
    [
        (["delay"], {}, {"step": 2, "delay": 0.5}, "  parameters.delay: nothing there, 0.5 here"),
        (["delay"], {}, {"step": 3}, "  parameters.step: 2 there, 3 here"),
        (["step"], {}, {"step": 2}, "  parameters.step: nothing there, 2 here"),  # the default is 1
        ([], {"delay": 0.25}, {"step": 2}, "  parameters.delay: 0.25 there, 0.0 here"),  # a default of then
        ([], {"gone": 1}, {"step": 2}, "  parameters.gone: 1 there, nothing here"),
        ([], {}, {"step": 2}, "  the hash alone"),
    ],
)
def test_other_parameters_are_refused_as_ever(tmp_path, sequence, missing, changed, overrides, difference):
    stored_before(tmp_path, sequence, *missing, **changed)
    store = store_now(tmp_path, **overrides)
    assert store.conflict() == difference
    with pytest.raises(InputError, match="made with other parameters"):
        store.open()
    assert store.open(overwrite=True).name == "default+a.replaced-0123456789abcdef"
    assert store.hash == store.record["hash"]
