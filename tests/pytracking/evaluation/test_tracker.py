import subprocess
import sys
from pathlib import Path

import pytest

from ltr.common.errors import InputError
from ltr.common.packages import summary
from pytracking.evaluation import Tracker, registry, trackerlist
from pytracking.evaluation.prefetch import ReadAhead
from pytracking.utils import TrackerParams
from tests.pytracking.dummy import PARAMETERS, TRACKERS, DummyTracker, make_sequence
from tests.pytracking.dummy.tracker.wander.wander import WanderParams


def test_results_dir_and_display_name(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", str(tmp_path))
    assert Tracker("dimp", "dimp50").results_dir == tmp_path / "dimp" / "dimp50"
    runs = trackerlist("dimp", "dimp50", range(3))
    assert [t.results_dir.name for t in runs] == ["dimp50_000", "dimp50_001", "dimp50_002"]
    assert runs[1].display_name == "dimp_dimp50_001"
    assert [t.run_id for t in trackerlist("dimp", "dimp50") + trackerlist("dimp", "dimp50", 4)] == [None, 4]
    assert Tracker("of_others", "any", display_name="Theirs", results_path=tmp_path / "x").display_name == "Theirs"
    with pytest.raises(TypeError, match="run_id, found '1'"):
        Tracker("dimp", "dimp50", run_id="1")


def test_overrides(tmp_path):
    def tracker(**overrides):
        return DummyTracker("wander", "default", 1, results_path=tmp_path, overrides=overrides)

    plain, far = tracker(), tracker(step=2.0)
    assert (plain.results_dir.name, plain.variant) == ("default_001", "default")
    assert far.get_parameters().step == 2.0
    assert far.results_dir.name.startswith("default+")
    assert far.results_dir.name.endswith("_001")
    assert len({tracker(step=step).results_dir for step in (1.0, 2.0, 3.0)}) == 3
    assert far.sequence_seed("s") == plain.sequence_seed("s")  # variants are compared on the same random numbers
    with pytest.raises(InputError, match=r"overrides: WanderParams has no parameter 'stepp'; did you mean 'step'\?"):
        tracker(stepp=2.0).get_parameters()
    with pytest.raises(InputError, match=r"'step' of WanderParams: expected float, found 'two'"):
        tracker(step="two").get_parameters()
    with pytest.raises(InputError, match=r"wander default, overrides: .*delay.* a number from 0 on, found -1"):
        tracker(delay=-1).get_parameters()
    with pytest.raises(ValueError, match="label 'x'"):
        DummyTracker("wander", "default", label="x")


def test_parameter_files_with_numbers_out_of_range(monkeypatch):
    """In a file of this project's kind and in one that fills pytracking's bag; before anything is loaded or run."""
    bag = TrackerParams()
    bag.delay = -2.0
    for parameters in (lambda: WanderParams(delay=-2.0), lambda: bag):
        monkeypatch.setattr("tests.pytracking.dummy.parameter.wander.default.parameters", parameters)
        message = r"wander/default\.py: parameter 'delay' of WanderParams: expected a number from 0 on, found -2\.0"
        with pytest.raises(InputError, match=message):
            DummyTracker("wander", "default").get_parameters()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def parameters(:", "typo.py, line 1: SyntaxError: "),
        ("def parameters():\n    return WanderParams()", "typo.py, line 2: NameError: name 'WanderParams' is not def"),
        ("import nothing_of_the_kind", "typo.py, line 1: ModuleNotFoundError: "),
        ("parametres = None", "typo.py: AttributeError: module .* has no attribute 'parameters'"),
        (
            "def parameters():\n    pass",
            r"typo.py: expected that parameters\(\) returns the tracker's parameters, found N",
        ),
        (
            "from tests.pytracking.dummy.tracker.wander.wander import WanderParams\n"
            "def parameters():\n    params = WanderParams()\n    params.setp = 1.0\n    return params",
            "typo.py, line 4: AttributeError: WanderParams has no parameter 'setp'; did you mean 'step'",
        ),
    ],
)
def test_parameter_files_with_typing_errors(code, message, tmp_path, monkeypatch):
    folder = tmp_path / "mistyped" / "wander"
    folder.mkdir(parents=True)
    (folder / "typo.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(DummyTracker, "parameter_package", "mistyped")
    try:
        with pytest.raises(InputError, match=message):
            DummyTracker("wander", "typo").get_parameters()
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "mistyped"]:
            del sys.modules[name]


def test_a_tracker_with_a_typing_error(tmp_path, monkeypatch):
    folder = tmp_path / "mistyped_trackers" / "wander"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "from .wander import X\ndef get_tracker_class():\n    return X\n", encoding="utf-8"
    )
    (folder / "wander.py").write_text("class X:\n    def track(self) return 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(DummyTracker, "tracker_package", "mistyped_trackers")
    with pytest.raises(InputError, match=r"wander/wander\.py, line 2: SyntaxError: "):
        DummyTracker("wander", "default").get_parameters()


@pytest.mark.parametrize("device", ["mps", "xpu", "gpu"])
def test_a_device_that_is_not_here(device, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.mps.device_count", lambda: 0)
    monkeypatch.setattr("torch.xpu.device_count", lambda: 0)
    with pytest.raises(InputError, match=f"device '{device}'"):
        DummyTracker("wander", "default", device=device).run_sequence(make_sequence(tmp_path, "s"))


def test_a_negative_run():
    with pytest.raises(ValueError, match="run_id of 0 or more, found -1"):
        DummyTracker("wander", "default", -1)


def test_unknown_names():
    known = "known: silent, wander"
    with pytest.raises(InputError, match=rf"unknown tracker 'wandr'; did you mean 'wander'\?\n  {known}"):
        DummyTracker("wandr", "default").get_parameters()
    with pytest.raises(InputError, match=r"unknown wander parameter file 'defalt'; did you mean 'default'"):
        DummyTracker("wander", "defalt").get_parameters()
    with pytest.raises(InputError, match=r"known: default, slow$"):
        DummyTracker("wander", "_shared").get_parameters()


def test_run_sequence(tmp_path):
    sequence = make_sequence(tmp_path, "s")
    calls = []
    output = DummyTracker("wander", "default").run_sequence(sequence, on_frame=lambda *call: calls.append(call))
    assert {key: len(values) for key, values in output.items()} == dict.fromkeys(
        ("target_bbox", "time", "object_presence_score", "flag", "peak_memory"), 6
    )
    assert output["target_bbox"][0] == sequence.init_bbox()
    assert output["flag"] == ["init"] + ["normal"] * 5
    assert min(output["time"]) > 0
    assert calls == [(i, 6) for i in range(1, 7)]


@pytest.mark.parametrize("content", [None, b"", b"<html>quota exceeded</html>", b"\x80\x02garbage"])
def test_bad_network_file_is_wrong_input(tmp_path, content, monkeypatch):
    path = tmp_path / "net.pth"
    if content is not None:
        path.write_bytes(content)
    original = DummyTracker.get_parameters
    monkeypatch.setattr(DummyTracker, "get_parameters", lambda self: original(self).replace(network=str(path)))
    with pytest.raises(InputError, match=r"net\.pth"):
        DummyTracker("wander", "default").run_sequence(make_sequence(tmp_path, "s"))


def test_time_leaves_out_reading_images(tmp_path, monkeypatch):
    from pytracking.evaluation import frame_loop as module

    now = [0.0]
    monkeypatch.setattr(module, "perf_counter", lambda: now[0])

    class SlowReading(ReadAhead):
        def __next__(self):
            now[0] += 5  # waiting for the image
            return super().__next__()

    monkeypatch.setattr(module, "ReadAhead", SlowReading)
    output = DummyTracker("wander", "default").run_sequence(make_sequence(tmp_path, "s"))
    assert output["time"] == [0.0] * 6


def test_device_reaches_the_parameters():
    assert DummyTracker("wander", "default", device="cpu").get_parameters().device == "cpu"
    assert DummyTracker("wander", "default").get_parameters().device is None


def test_listing():
    assert registry.list_trackers(TRACKERS) == ["silent", "wander"]
    assert list(registry.list_parameters("wander", PARAMETERS)) == ["default", "slow"]
    assert summary(registry.find_parameters("wander", "default", PARAMETERS)) == "Steps of one pixel."
    assert registry.list_parameters("nobody", PARAMETERS) == {}


def test_listing_imports_nothing_heavy():
    code = """if True:
        import sys
        from pytracking.run_tracker import main
        assert main(["--list"]) == 0
        heavy = {"torch", "cv2", "pandas", "matplotlib", "scipy", "visdom"} & set(sys.modules)
        assert not heavy, heavy
        assert not any(name.startswith("pytracking.parameter") for name in sys.modules)
    """
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tracker dimp, parameter files:" in done.stdout
    assert "data sets:" in done.stdout
