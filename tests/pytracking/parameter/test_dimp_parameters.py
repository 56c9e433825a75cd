import importlib
import pkgutil
import subprocess
import sys

import pytest

import pytracking.parameter.dimp
from pytracking.tracker.dimp.params import DiMPParams

NAMES = sorted(m.name for m in pkgutil.iter_modules(pytracking.parameter.dimp.__path__) if not m.name.startswith("_"))

PROMISED = [
    *("dimp18", "dimp50", "dimp50_star", "rls_dimp50", "rls_dimp50_short", "bgd_dimp50_short"),
    *("bgd_dimp50", "bgd_dimp50_sm", "bgd_dimp50_mm", "bgd_dimp50_fm"),
    *(
        f"{name}_{where}"
        for name in ("dimp50", "dimp50_star", "bgd_dimp50", "rls_dimp50")
        for where in ("vot18", "vot19")
    ),
    *(f"{name}_got10k" for name in ("dimp50", "dimp50_star", "bgd_dimp50", "rls_dimp50")),
    *("dimp_lite", "dimp_lite_star", "rls_dimp_lite"),
    *("dimp_lite_lt", "bgd_dimp_lite_lt", "rls_dimp_lite_lt", "rls_sd_dimp_lite_lt", "rls_dimp50_lt"),
    *("bgd_dimp_lite", "bgd_dimp_lite_sm", "bgd_dimp_lite_mm", "bgd_dimp_lite_fm"),
    *(f"rls_sd_{name}" for name in ("dimp50", "dimp50_got10k", "dimp50_vot18", "dimp50_vot19")),
    *(f"rls_sd_{name}" for name in ("dimp_lite", "dimp_lite_untrained")),
    *("dimp_lite_iounet", "dimp_lite_untrained_ridge", "prdimp18", "prdimp50_vot18"),
    *(f"{before}{base}" for base in ("super_dimp", "prdimp50") for before in ("", "bgd_", "rls_", "rls_sd_")),
    *(f"{base}_star" for base in ("super_dimp", "prdimp50")),
    *(f"bgd_{base}_{ema}" for base in ("super_dimp", "prdimp50") for ema in ("sm", "mm", "fm")),
    *(f"{before}{base}_lite" for base in ("superdimp", "prdimp") for before in ("", "rls_", "rls_sd_")),
    *("dimp_lite_untrained", "dimp_lite_untrained_star", "rls_dimp_lite_untrained"),
    *(f"bgd_dimp_lite_untrained{ema}" for ema in ("", "_sm", "_mm", "_fm")),
]


def load(name: str) -> DiMPParams:
    params = importlib.import_module(f"pytracking.parameter.dimp.{name}").parameters()
    assert isinstance(params, DiMPParams)
    return params


@pytest.mark.parametrize("name", NAMES)
def test_every_file_gives_parameters_with_a_description(name: str) -> None:
    assert load(name).net is not None
    assert importlib.import_module(f"pytracking.parameter.dimp.{name}").__doc__


def test_all_promised_files_are_there_and_differ() -> None:
    assert set(PROMISED) <= set(NAMES)
    assert len({load(name).hash() for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize(
    ("name", "step_length"), [("rls_dimp50", 3e-3), ("rls_dimp50_short", 3e-2), ("rls_dimp50_vot18", 6e-2)]
)
def test_papers_settings_of_rls(name: str, step_length: float) -> None:
    params = load(name)
    assert params.online_optimizer == "rls_bgd"
    assert (params.rls_delta, params.rls_beta, params.online_step_length) == (0.1, 1.0, step_length)
    assert params.online_step_length == load(name.replace("rls", "bgd")).online_step_length


@pytest.mark.parametrize("base", ["dimp50", "dimp_lite", "dimp_lite_untrained"])
def test_variants_differ_in_the_online_update_alone(base: str) -> None:
    reference = load(base).to_dict()
    star = f"{base}_star"
    for name in (
        star,
        *(f"{kind}_{base}" for kind in ("bgd", "rls", "rls_sd")),
        *(f"bgd_{base}_{ema}" for ema in ("sm", "mm", "fm")),
    ):
        changed = {key for key, value in load(name).to_dict().items() if value != reference[key]}
        assert changed <= {"net_opt_update_iter", "online_optimizer", "online_step_length", "ema_coefficient"}
        assert load(name).net_opt_update_iter == 5
        assert load(name).net_opt_hn_iter == 1
    assert [load(f"bgd_{base}_{ema}").ema_coefficient for ema in ("sm", "mm", "fm")] == [0.01, 0.5, 0.99]


# pytracking's values for VOT2018 and VOT2019; the last two are counts of rotations and of all initial samples.
VOT_SETTINGS = {
    "image_sample_size": (14 * 16, 16 * 16),
    "search_area_scale": (4.0, 4.5),
    "sample_memory_size": (250, 100),
    "learning_rate": (0.0075, 0.0075),
    "init_samples_minimum_weight": (0.0, 0.0),
    "train_skipping": (10, 10),
    "net_opt_iter": (25, 15),
    "net_opt_update_iter": (3, 2),
    "net_opt_hn_iter": (3, 2),
    "augmentation_expansion_factor": (2.0, 1.4),
    "target_not_found_threshold": (0.0, 0.0),
    "distractor_threshold": (100.0, 100.0),
    "hard_negative_threshold": (0.45, 0.45),
    "displacement_scale": (0.7, 0.7),
    "perform_hn_without_windowing": (True, True),
    "window_output": (True, True),
    "box_refinement_iter": (5, 3),
    "rotations": (12, 4),
    "samples": (30, 13),
}


@pytest.mark.parametrize(("place", "name"), [(0, "dimp50_vot18"), (1, "dimp50_vot19")])
def test_vot_settings_are_those_of_each_year(place: int, name: str) -> None:
    params = load(name)
    a = params.augmentation
    counts = {
        "rotations": len(a["rotate"]),
        "samples": 2 + sum(len(a[kind]) for kind in ("rotate", "blur", "relativeshift")) + a["dropout"][0],
    }
    found = {key: counts[key] if key in counts else getattr(params, key) for key in VOT_SETTINGS}
    assert found == {key: values[place] for key, values in VOT_SETTINGS.items()}


def test_reading_parameter_files_imports_no_torch() -> None:
    code = (
        "import sys, pytracking.parameter.dimp.rls_dimp50 as file\n"
        "file.parameters()\n"
        "sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("base", ["dimp_lite", "bgd_dimp_lite", "rls_dimp_lite", "rls_dimp50"])
def test_long_term_files_differ_in_redetection_alone(base: str) -> None:
    short, long = load(base).to_dict(), load(f"{base}_lt").to_dict()
    assert not short["redetection"]
    assert long["redetection"]
    different = {name for name in short if short[name] != long[name]}
    assert all(name.startswith(("redetection", "presence_")) for name in different)
