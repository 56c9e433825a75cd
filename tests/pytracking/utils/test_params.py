import json
import math

import pytest

from ltr.common.errors import InputError
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.utils import TrackerParams


def test_unknown_name_is_an_error_that_names_the_nearest() -> None:
    params = DiMPParams()
    with pytest.raises(AttributeError, match="did you mean 'learning_rate'"):
        params.learning_rat = 0.1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="search_area_scale"):
        params.replace(serch_area_scale=4.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", "0.01"),
        ("sample_memory_size", 50.0),
        ("sample_memory_size", True),
        ("window_output", 1),
        ("border_mode", "mirror"),
        ("scale_factors", [1.0, "2"]),
        ("augmentation", []),
        ("box_refinement_step_length", (1.0, 2.0, 3.0)),
    ],
)
def test_wrong_type_is_an_error_that_names_parameter_and_value(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=name):
        DiMPParams(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("search_area_scale", -3.0, "expected a number above 0, found -3"),
        ("search_area_scale", 0, "above 0, found 0"),
        ("search_area_scale", math.inf, "above 0, found inf"),
        ("rls_beta", 5, "expected a number above 0, at most 1, found 5"),
        ("rls_beta", math.nan, "found nan"),
        ("learning_rate", 1.5, "expected a number from 0 to 1, found 1.5"),
        ("hard_negative_learning_rate", -0.1, "from 0 to 1, found -0.1"),
        ("train_skipping", 0, "expected a number from 1 on, found 0"),
        ("rls_max_rank", -1, "from 1 on, found -1"),
        ("image_sample_size", (288, 0), r"from 1 on, found 0 in \(288, 0\)"),
        ("scale_factors", [1.0, -1.02], r"above 0, found -1.02 in \[1.0, -1.02\]"),
        ("box_refinement_step_length", (1.0, math.nan), "found nan in"),
        ("ridge_cells", {"layer2": 0}, "from 1 on, found 0 in"),
        ("target_not_found_threshold", math.nan, "expected a number, found nan"),
        ("debug", -1, "from 0 on, found -1"),
    ],
)
def test_number_out_of_range_is_an_error_that_names_parameter_range_and_value(name, value, message) -> None:
    for make in (lambda: DiMPParams(**{name: value}), lambda: DiMPParams().replace(**{name: value})):
        with pytest.raises(InputError, match=f"parameter '{name}' of DiMPParams: .*{message}"):
            make()
    bag = TrackerParams()
    setattr(bag, name, value)
    with pytest.raises(InputError, match=f"'{name}'"):
        DiMPParams.from_tracker_params(bag)


def test_edges_of_ranges_and_none_are_allowed() -> None:
    params = DiMPParams(rls_beta=1, learning_rate=0, hard_negative_learning_rate=None, uncertain_threshold=-math.inf)
    assert params.replace(box_refinement_step_length=[0, 1], image_sample_size=(1, 2)).image_sample_size == (1, 2)


def test_what_parameters_say_together() -> None:
    DiMPParams().validate()
    with pytest.raises(InputError, match="unknown online_optimizer 'adam'"):
        DiMPParams(online_optimizer="adam").validate()
    with pytest.raises(InputError, match="expected effective_search_area with use_clipped_window"):
        DiMPParams(use_clipped_window=True).validate()


def test_ints_pass_for_floats_and_lists_for_tuples() -> None:
    params = DiMPParams(search_area_scale=4, scale_factors=(1, 2), box_refinement_step_length=[1, 2])  # type: ignore[arg-type]
    assert params.search_area_scale == 4


def test_replace_leaves_the_original_alone() -> None:
    params = DiMPParams()
    changed = params.replace(train_skipping=5)
    assert (params.train_skipping, changed.train_skipping) == (20, 5)


def test_every_parameter_is_plain_json_data() -> None:
    params = DiMPParams(net=NetWithBackbone(net_path="dimp50.pth"))
    restored = json.loads(json.dumps(params.to_dict()))
    assert restored["net"]["net_path"] == "dimp50.pth"
    assert restored["augmentation"]["dropout"] == [2, 0.2]
    assert set(restored) >= {"learning_rate", "rls_delta", "device"}


def test_hash_follows_what_changes_results() -> None:
    params = DiMPParams()
    assert params.hash() == DiMPParams().hash()
    assert params.replace(device="cpu", debug=2).hash() == params.hash()
    assert params.replace(rls_delta=0.2).hash() != params.hash()
    assert params.replace(net=NetWithBackbone(net_path="a.pth")).hash() != params.hash()


def test_pytracking_accessors() -> None:
    params = TrackerParams()
    params.set_default_values({"a": 1})
    assert params.get("a") == 1
    assert params.get("b", 2) == 2
    assert not params.has("b")
    with pytest.raises(AttributeError):
        params.get("b")
    typed = DiMPParams()
    assert typed.get("no_such_name", 7) == 7
    assert typed.get("dispalcement_scale") == 0.8
    assert typed.has("learning_rate")
    assert not typed.has("uncertain_threshold_")


def test_bag_of_a_pytracking_file_becomes_typed() -> None:
    bag = TrackerParams()
    bag.use_gpu = False  # type: ignore[attr-defined]
    bag.dispalcement_scale = 0.7  # type: ignore[attr-defined]
    bag.iounet_use_log_scale = True  # type: ignore[attr-defined]
    with pytest.warns() as caught:
        params = DiMPParams.from_tracker_params(bag)
    assert params.displacement_scale == 0.7
    assert params.device == "cpu"
    messages = " ".join(str(warning.message) for warning in caught)
    assert "displacement_scale" in messages
    assert "iounet_use_log_scale" in messages


def test_bag_with_a_misspelling_is_an_error() -> None:
    bag = TrackerParams()
    bag.targetnot_found_threshold = 0.2  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="target_not_found_threshold"):
        DiMPParams.from_tracker_params(bag)
