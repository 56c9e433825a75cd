import contextlib
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ltr.inference.folding import fold_batch_norms
from pytracking.features import net_wrappers
from pytracking.util_scripts.check_device import stages, whole_trackers
from pytracking.util_scripts.check_device.__main__ import main
from pytracking.util_scripts.check_device.arithmetic import environment
from pytracking.util_scripts.check_device.copying import copy_state
from pytracking.util_scripts.check_device.inverse_correlation import inverse_correlation
from pytracking.util_scripts.check_device.parts import PARTS
from pytracking.util_scripts.check_device.processes import Check, Found, Setting, run_part
from pytracking.util_scripts.check_device.results import Measurement
from pytracking.util_scripts.check_device.scene import video
from pytracking.util_scripts.check_device.trackers import make_pair
from pytracking.util_scripts.check_device.training import training
from pytracking.util_scripts.check_device.workers import two_workers
from tests.pytracking.util_scripts import check_device_parts
from tests.pytracking.util_scripts.check_device_parts import PARTS as TEST_PARTS

QUICK = Setting("cpu", frames=4)
SOUND, WRONG, CRASHING, RAISING = (TEST_PARTS[name] for name in ("sound", "wrong", "crashing", "raising"))


def failures(found: Found) -> list[str]:
    return [measurement.name for measurement in found.measurements if not measurement.passed]


def names(found: Found) -> str:
    return " | ".join(measurement.name for measurement in found.measurements)


@pytest.fixture
def _lite_stages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """DiMP-50 is with the whole trackers; networks of other tests are not used."""
    monkeypatch.setattr(stages, "MEMBERS", ("rls_dimp_lite", "dimp_lite_iounet"))
    net_wrappers._load.cache_clear()
    yield
    net_wrappers._load.cache_clear()


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (environment, ["product", "convolution"]),
        (inverse_correlation, ["new", "repeated", "zeros", "NaN", "product", "reset", "compressed", "eigenvalue"]),
        (two_workers, ["boxes of two workers"]),
        (training, ["amp=off"]),
    ],
)
def test_check(check: Check, expected: list[str]) -> None:
    found = check(QUICK)
    assert failures(found) == []
    assert all(word in names(found) for word in expected)
    json.dumps(found.facts)


@pytest.mark.usefixtures("_lite_stages")
def test_stages() -> None:
    found = stages.stages(QUICK)
    assert failures(found) == []
    for word in ("crop", "layer3", "features", "scores", "flags", "place", "refined box"):
        assert sum(word in measurement.name for measurement in found.measurements) == 2


@pytest.mark.parametrize("part", whole_trackers.parts(), ids=lambda part: part.name)
def test_whole_trackers(part: Any) -> None:
    found = part.check(QUICK)
    assert failures(found) == []
    assert found.facts["weights"]
    reported = [measurement for measurement in found.measurements if measurement.tolerance is None]
    assert {m.name for m in reported} >= {"frames per second", "left alone: boxes, largest"}


def test_every_part_has_a_name_of_its_own() -> None:
    assert len({part.name for part in PARTS}) == len(PARTS) == 8


@pytest.mark.usefixtures("_lite_stages")
def test_a_network_that_is_wrong_by_a_thousandth_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(network: Any) -> Any:
        folded = fold_batch_norms(network)
        for parameter in folded.parameters():
            parameter.mul_(1.001)
        return folded

    module = importlib.import_module("ltr.inference.prepare")  # whose name in the package is that of its function
    monkeypatch.setattr(module, "fold_batch_norms", torch.no_grad()(broken))
    assert any("layer3" in name for name in failures(stages.stages(QUICK)))


def test_p_in_the_precision_of_the_caller_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rls.precision", "rls.base"):
        monkeypatch.setattr(f"{module}.exact_arithmetic", lambda device: contextlib.nullcontext())
    assert any("low_rank P, new inputs" in name for name in failures(inverse_correlation(QUICK)))


@pytest.mark.parametrize(("family", "parameters"), [("dimp", "rls_dimp_lite"), ("rtmdnet", "rls_rtmdnet_lite")])
def test_a_copied_state_goes_on_like_its_source_and_apart_from_it(family: str, parameters: str) -> None:
    images = video(7)
    pair = make_pair(family, parameters, "cpu")
    source, copied = pair.reference, make_pair(family, parameters, "cpu").reference  # both of the plain form
    source.initialize(images.images[0], images.start)
    copied.initialize(images.images[2], {"init_bbox": [10.0, 10.0, 60.0, 50.0]})
    source.track(images.images[1])
    copy_state(source, copied)
    state = source.generator.get_state()
    of_copy = [copied.track(image)["target_bbox"] for image in images.images[2:]]
    assert torch.equal(source.generator.get_state(), state)
    assert of_copy == [source.track(image)["target_bbox"] for image in images.images[2:]]
    assert copied.params is not source.params
    assert copied.net is copied.params.net


def test_video_is_repeatable_and_has_its_target_inside() -> None:
    images = video(5)
    assert [image.shape for image in images.images] == [(300, 400, 3)] * 5
    assert (images.boxes[:, :2] >= 0).all()
    assert (images.boxes[:, :2] + images.boxes[:, 2:] <= [400, 300]).all()
    assert not np.array_equal(images.images[0], video(5, 1).images[0])


@pytest.mark.parametrize(
    ("value", "tolerance", "passed"),
    [(1.0, 1.0, True), (1.1, 1.0, False), (float("nan"), 1.0, False), (float("inf"), None, False), (9.0, None, True)],
)
def test_verdict_of_a_measurement(value: float, tolerance: float | None, passed: bool) -> None:
    assert Measurement("x", value, tolerance).passed is passed
    json.dumps(Measurement("x", value, tolerance).as_json(), allow_nan=False)


def test_all_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.json"
    assert main(["cpu", "--json", str(file)], [SOUND]) == 0
    report = json.loads(file.read_text())
    assert (report["device"], report["passed"]) == ("cpu", True)
    (part,) = report["parts"]
    assert (part["part"], part["passed"], part["error"], part["facts"]) == ("sound", True, "", {"cores": 2})
    expected = {"name": "difference", "value": 1e-6, "unit": "px", "tolerance": 1e-3, "reason": "rounding"}
    assert part["measurements"][0] == {**expected, "passed": True}
    shown = capsys.readouterr().out
    assert "cpu: all as it should be" in shown
    assert "FAILED" not in shown


def test_a_wrong_value_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.json"
    assert main(["cpu", "--json", str(file)], [SOUND, WRONG]) == 1
    report = json.loads(file.read_text())
    assert not report["passed"]
    assert [part["passed"] for part in report["parts"]] == [True, False]
    assert [entry["value"] for entry in report["parts"][1]["measurements"]] == [2.0, "nan"]
    shown = capsys.readouterr().out
    assert shown.count("FAILED") == 2
    assert "cpu: failed: wrong" in shown


def test_a_part_that_crashes_or_raises_is_reported_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    assert main(["cpu", "--json", str(file)], [CRASHING, RAISING, SOUND]) == 1
    crashed, raised, sound = json.loads(file.read_text())["parts"]
    assert "SIGABRT" in crashed["error"]
    assert "before the crash" in crashed["output"]
    assert "check_device_parts.py" in crashed["output"]  # where it was, by faulthandler
    assert "KeyError: 'cpu has no such thing'" in raised["error"]
    assert sound["passed"]
    assert "failed: crashing, raising" in capsys.readouterr().out


def test_a_part_that_takes_too_long_is_ended() -> None:
    result = run_part(TEST_PARTS["late"], QUICK, time_limit=5)
    assert not result.passed
    assert "more than 5 s" in result.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tpu"], "unknown device 'tpu'; expected cpu, cuda or cuda:<number>"),
        (["mps"], "unknown device 'mps'; expected cpu, cuda or cuda:<number>"),
        (["cuda:x"], "unknown device 'cuda:x'; expected cpu, cuda or cuda:<number>"),
        (["cpu", "--part", "soundd"], "unknown part 'soundd'; did you mean 'sound'?"),
        (["cpu", "--frames", "1"], "expected --frames of at least 4, found 1"),
        (["cpu", "--json", "/nowhere/report.json"], "expected an existing folder for --json, found /nowhere"),
    ],
)
def test_wrong_input_is_one_sentence(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments, list(check_device_parts.PARTS.values())) == 2
    assert capsys.readouterr().err.splitlines()[0] == f"error: {message}"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cuda"], [SOUND]) == 2
    assert "PyTorch finds no GPU here" in capsys.readouterr().err
