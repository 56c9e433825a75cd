"""Parameter files of SuperDiMP and PrDiMP: pytracking's values, and what their members change."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from ltr.admin.checkpoint import PUBLISHED_NETWORKS
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.run_tracker import main
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.utils import TrackerParams
from tests.pytracking.dummy import write_frames

LARGE = {
    "image_sample_size": 352,
    "search_area_scale": 6,
    "border_mode": "inside_major",
    "patch_max_scale_change": 1.5,
}
USUAL = {
    "sample_memory_size": 50,
    "learning_rate": 0.01,
    "init_samples_minimum_weight": 0.25,
    "train_skipping": 20,
    "net_opt_iter": 10,
    "net_opt_update_iter": 2,
    "net_opt_hn_iter": 1,
    "window_output": False,
    "augmentation": {
        "fliplr": True,
        "rotate": [10, -10, 45, -45],
        "blur": [(3, 1), (1, 3), (2, 2)],
        "relativeshift": [(0.6, 0.6), (-0.6, 0.6), (0.6, -0.6), (-0.6, -0.6)],
        "dropout": (2, 0.2),
    },
    "distractor_threshold": 0.8,
    "hard_negative_threshold": 0.5,
    "dispalcement_scale": 0.8,
}
PROBABILITY = {"score_preprocess": "softmax", "target_not_found_threshold": 0.04}
VOT18 = {
    "image_sample_size": 224,
    "search_area_scale": 4,
    "feature_size_odd": False,
    "sample_memory_size": 250,
    "learning_rate": 0.01,
    "init_samples_minimum_weight": 0.0,
    "train_skipping": 1,
    "net_opt_iter": 25,
    "net_opt_update_iter": 1,
    "net_opt_hn_iter": 1,
    "window_output": True,
    "perform_hn_without_windowing": True,
    "augmentation": {
        "fliplr": True,
        "rotate": [5, -5, 10, -10, 20, -20, 30, -30, 45, -45, -60, 60],
        "blur": [(2, 0.2), (0.2, 2), (3, 1), (1, 3), (2, 2)],
        "relativeshift": [(0.6, 0.6), (-0.6, 0.6), (0.6, -0.6), (-0.6, -0.6)],
        "dropout": (7, 0.2),
    },
    "target_not_found_threshold": 0.0,
    "distractor_threshold": 99999,
    "hard_negative_threshold": 999999,
    "dispalcement_scale": 0.7,
}
# What the files of pytracking of these names set, beside what is in `file_of_pytracking`.
PYTRACKING: dict[str, dict[str, Any]] = {
    "super_dimp": {**LARGE, **USUAL, "target_not_found_threshold": 0.25},
    "prdimp50": {**LARGE, **USUAL, **PROBABILITY},
    "prdimp18": {"image_sample_size": 288, "search_area_scale": 5, **USUAL, **PROBABILITY},
    "prdimp50_vot18": VOT18,
}
NETWORKS = {name: f"{name.removesuffix('_vot18')}.pth.tar" for name in PYTRACKING}


def load(name: str) -> DiMPParams:
    params = importlib.import_module(f"pytracking.parameter.dimp.{name}").parameters()
    assert isinstance(params, DiMPParams)
    return params


def file_of_pytracking(name: str) -> TrackerParams:
    """The parameters as pytracking's file of that name sets them."""
    bag: Any = TrackerParams()
    bag.debug = 0
    bag.visualization = False
    bag.use_gpu = True
    bag.update_classifier = True
    bag.use_augmentation = True
    bag.augmentation_expansion_factor = 2
    bag.random_shift_factor = 1 / 3
    bag.advanced_localization = True
    bag.target_neighborhood_scale = 2.2
    bag.hard_negative_learning_rate = 0.02
    bag.update_scale_when_uncertain = True
    bag.box_refinement_space = "relative"
    bag.iounet_augmentation = False
    bag.iounet_k = 3
    bag.num_init_random_boxes = 9
    bag.box_jitter_pos = 0.1
    bag.box_jitter_sz = 0.5
    bag.maximal_aspect_ratio = 6
    bag.box_refinement_iter = 10
    bag.box_refinement_step_length = 2.5e-3
    bag.box_refinement_step_decay = 1
    bag.net = NetWithBackbone(net_path=NETWORKS[name], use_gpu=bag.use_gpu)
    bag.vot_anno_conversion_type = "preserve_area"
    for key, value in PYTRACKING[name].items():
        setattr(bag, key, value)
    return bag


@pytest.mark.parametrize("name", PYTRACKING)
def test_files_of_pytracking_load_and_say_the_same(name: str) -> None:
    with pytest.warns(DeprecationWarning, match="displacement_scale"), pytest.warns(UserWarning, match="visualization"):
        typed = DiMPParams.from_tracker_params(file_of_pytracking(name))
    assert typed.to_dict() == load(name).to_dict()


@pytest.mark.parametrize(("base", "has_softmax"), [("super_dimp", False), ("prdimp50", True)])
def test_members_differ_in_the_online_update_alone(base: str, has_softmax: bool) -> None:
    reference = load(base).to_dict()
    update = {"net_opt_update_iter", "online_optimizer", "online_step_length", "ema_coefficient"}
    members = [f"{base}_star", *(f"bgd_{base}{ema}" for ema in ("", "_sm", "_mm", "_fm"))]
    for name in (*members, f"rls_{base}", f"rls_sd_{base}"):
        params = load(name)
        changed = {key for key, value in params.to_dict().items() if value != reference[key]}
        assert changed <= update | ({"rls_delta"} if has_softmax else set())
        assert (params.net_opt_update_iter, params.net_opt_hn_iter) == (5, 1)
    assert [load(f"bgd_{base}_{ema}").ema_coefficient for ema in ("sm", "mm", "fm")] == [0.01, 0.5, 0.99]
    found = [load(f"{kind}_{base}").online_optimizer for kind in ("bgd", "rls", "rls_sd")]
    assert found == ["bgd", "rls_bgd", "rls_sd"]


def test_steps_of_prdimp_are_those_of_dimp_on_a_loss_of_less_weight() -> None:
    """Weights Γ scaled by c: P is that of delta / c, scaled by 1 / c, as the gradient is by c."""
    dimp, prdimp = load("rls_super_dimp"), load("rls_prdimp50")
    assert prdimp.online_step_length == dimp.online_step_length == 3e-3
    assert dimp.rls_delta / prdimp.rls_delta == pytest.approx(30)
    assert load("rls_sd_prdimp50").rls_delta == prdimp.rls_delta
    assert load("bgd_prdimp50").online_step_length == pytest.approx(30 * load("bgd_super_dimp").online_step_length)


@pytest.mark.parametrize("base", ["superdimp_lite", "prdimp_lite"])
def test_lite_twins(base: str) -> None:
    reference = load(base).to_dict()
    for name in (f"rls_{base}", f"rls_sd_{base}"):
        changed = {key for key, value in load(name).to_dict().items() if value != reference[key]}
        assert changed <= {"net_opt_update_iter", "online_optimizer", "online_step_length", "rls_delta"}


@pytest.mark.parametrize("name", ["super_dimp", "rls_sd_prdimp50", "prdimp18"])
def test_without_the_network_file_the_command_says_where_it_is_published(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_frames(tmp_path / "otb" / "Deer" / "img", 71)
    (tmp_path / "otb" / "Deer" / "groundtruth_rect.txt").write_text("6,5,9,8\n" * 71)
    for key in ("otb", "network", "results"):
        monkeypatch.setenv(f"PYTRACKING_{key.upper()}_PATH", str(tmp_path / key))
    assert main(["dimp", name, "--sequence", "Deer"]) == 2
    error = capsys.readouterr().err
    file = name.removeprefix("rls_sd_") + ".pth.tar"
    assert f"network file {tmp_path / 'network' / file} does not exist" in error
    assert f"published at {PUBLISHED_NETWORKS[file]}" in error
    assert "PYTRACKING_NETWORK_PATH" in error
