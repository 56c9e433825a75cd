import importlib
import pkgutil
import subprocess
import sys

import pytest

import pytracking.parameter.rtmdnet
from pytracking.evaluation.tracker import Tracker
from pytracking.tracker.rtmdnet.params import RTMDNetParams

FOLDER = pytracking.parameter.rtmdnet.__path__
NAMES = sorted(m.name for m in pkgutil.iter_modules(FOLDER) if not m.name.startswith("_"))

PROMISED = [
    *("rtmdnet", "simple_rtmdnet", "rls_rtmdnet", "rls_rtmdnet_cvpr20"),
    *("rtmdnet_lite", "simple_rtmdnet_lite", "rls_rtmdnet_lite"),
]


def load(name: str) -> RTMDNetParams:
    params = importlib.import_module(f"pytracking.parameter.rtmdnet.{name}").parameters()
    assert isinstance(params, RTMDNetParams)
    return params


@pytest.mark.parametrize("name", NAMES)
def test_every_file_gives_parameters_with_a_description(name: str) -> None:
    assert load(name).net is not None
    assert importlib.import_module(f"pytracking.parameter.rtmdnet.{name}").__doc__


def test_all_promised_files_are_there_and_differ() -> None:
    assert set(PROMISED) <= set(NAMES)
    assert len({load(name).hash() for name in NAMES}) == len(NAMES)


def test_published_settings() -> None:
    params = load("rls_rtmdnet")
    assert (params.batch_positives, params.batch_negatives, params.batch_negative_candidates) == (32, 96, 1024)
    assert (params.init_positives, params.init_negatives, params.init_iterations) == (500, 5000, 50)
    assert (params.update_positives, params.update_negatives, params.update_iterations) == (50, 200, 15)
    assert (params.init_learning_rate, params.update_learning_rate, params.fc6_learning_rate_factor) == (1e-4, 3e-4, 10)
    assert (params.momentum, params.weight_decay, params.max_grad_norm) == (0.9, 5e-4, 10)
    assert (params.short_term_frames, params.long_term_frames, params.update_interval) == (20, 100, 10)
    assert (params.num_candidates, params.candidate_translation, params.candidate_scale) == (256, 0.6, 1.05)
    assert (params.regression_alpha, params.regression_samples, params.success_threshold) == (1000, 1000, 0)
    assert (params.rls_delta, params.rls_beta, params.rls_weight_decay_mode) == (5e-4, 1.0, "authors")


def test_settings_of_the_conference_version() -> None:
    params = load("rls_rtmdnet_cvpr20")
    rates = {params.init_learning_rate, params.update_learning_rate}
    assert (params.rls_delta, rates, params.fc6_learning_rate_factor * 0.01) == (1.0, {0.01}, 0.1)


@pytest.mark.parametrize("base", ["rtmdnet", "rtmdnet_lite"])
def test_variants_differ_in_what_defines_them(base: str) -> None:
    reference = load(base).to_dict()
    memory = {"regular_memory": "short", "weight_backup": True}
    rates = {"init_learning_rate", "update_learning_rate"}
    for name, expected in ((f"simple_{base}", memory), (f"rls_{base}", memory | {"online_optimizer": "rls_sgd"})):
        changed = {key: value for key, value in load(name).to_dict().items() if value != reference[key]}
        assert {key: value for key, value in changed.items() if key not in rates} == expected
        assert base != "rtmdnet" or not rates & changed.keys()  # the lite features have their own rates


def test_every_parameter_is_recorded() -> None:
    plain = load("rls_rtmdnet_lite").to_dict()
    assert plain["init_positive_sampling"]["overlap"] == (0.7, 1.0)
    assert plain["net"]["architecture"] == "mdnet_lite0"


def test_registry_finds_the_tracker() -> None:
    tracker = Tracker("rtmdnet", "rls_rtmdnet_lite")
    assert tracker.tracker_class().__name__ == "RTMDNet"
    assert isinstance(tracker.get_parameters(), RTMDNetParams)


def test_reading_parameter_files_imports_no_torch() -> None:
    code = (
        "import sys, pytracking.parameter.rtmdnet.rls_rtmdnet as file\n"
        "file.parameters().to_dict()\n"
        "sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
