import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from ltr.common.errors import InputError
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.libs import TensorList
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.utils import Choice, FeatureParams, TrackerParams
from pytracking.utils.params import OpenParams, TypedParams, chance


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


def test_defaults_are_those_of_fresh_parameters() -> None:
    assert DiMPParams.defaults() == DiMPParams().to_dict()
    assert OpenParams.defaults() == {"debug": 0, "device": None}

    @dataclass(kw_only=True)
    class Needy(TypedParams):
        path: str
        sizes: list[int] = field(default_factory=lambda: [3, 5])

    assert Needy.defaults() == {"debug": 0, "device": None, "sizes": [3, 5]}


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


def opened(**values: Any) -> OpenParams:
    bag = TrackerParams()
    for name, value in values.items():
        setattr(bag, name, value)
    params: OpenParams = OpenParams.from_tracker_params(bag)
    return params


def test_open_parameters_have_any_name() -> None:
    params: Any = opened(learning_rate=0.1, scales=[1, 2], anything=None)
    params.more = 3
    assert (params.learning_rate, params.scales, params.more) == (0.1, [1, 2], 3)
    assert (params.get("learning_rate"), params.get("unknown", 7), params.get("anything", 7)) == (0.1, 7, None)
    assert params.has("anything")
    assert not any(params.has(name) for name in ("unknown", "device", "replace"))
    with pytest.raises(AttributeError, match="no parameter 'unknown' is set"):
        params.get("unknown")
    with pytest.raises(AttributeError, match="'replace': parameters have a method"):
        params.replace = 1
    with pytest.raises(InputError, match="'debug'"):
        params.debug = -1
    typed = TypedParams()
    assert OpenParams.from_tracker_params(typed) is typed


def test_device_of_open_parameters() -> None:
    assert opened(use_gpu=False).device == "cpu"
    assert opened(use_gpu=True).device is None
    assert opened(use_gpu=False, device="cuda:1").device == "cuda:1"
    assert opened(device=torch.device("cpu")).get("device") == "cpu"
    assert opened(use_gpu=True).get("device", "cuda") == "cuda"


def test_open_parameters_are_changed_where_the_file_sets_them() -> None:
    params: Any = opened(learning_rate=0.1, step=1, name="a", window=True, sizes=[1, 2], limit=None)
    changed = params.replace(learning_rate=1, step=0.5, sizes=(3,), limit=4)
    assert (changed.learning_rate, changed.step, changed.sizes, changed.limit, changed.name) == (1, 0.5, (3,), 4, "a")
    assert params.learning_rate == 0.1
    assert opened(weights=np.ones(2)).replace(weights=np.zeros(2)).get("weights").sum() == 0
    assert params.replace(**params.read_values({"name": "none"})).name is None
    with pytest.raises(AttributeError, match="'learning_rat'; did you mean 'learning_rate'"):
        params.replace(learning_rat=0.2)
    for name, value in {"step": "2", "window": 1, "name": 2, "sizes": 3}.items():
        with pytest.raises(TypeError, match=f"'{name}': expected a value of the kind of"):
            params.replace(**{name: value})


class Options:
    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    def method(self) -> None: ...


def test_open_parameters_are_plain_data_whatever_they_hold() -> None:
    def described() -> dict[str, Any]:
        return opened(
            array=np.arange(3),
            tensors=TensorList([torch.ones(2), 1.0]),
            options=Options(size=(3, 4), inner=Options(window=np.float32(0.5))),
            function=test_pytracking_accessors,
            net=NetWithBackbone(net_path="a.pth"),
            nothing=object(),
            names={"b", "a"},
            features=FeatureParams(scales=[1.0, 2.0], name="x"),
        ).to_dict()

    values = json.loads(json.dumps(described()))
    assert values["array"] == [0, 1, 2]
    assert values["tensors"] == [[1.0, 1.0], 1.0]
    assert values["options"] == {"class": "Options", "size": [3, 4], "inner": {"class": "Options", "window": 0.5}}
    assert values["function"].endswith("test_pytracking_accessors")
    assert values["net"]["net_path"] == "a.pth"
    assert values["names"] == ["a", "b"]
    assert values["features"] == {"class": "FeatureParams", "scales": [1.0, 2.0], "name": "x"}
    assert values == json.loads(json.dumps(described()))  # nothing of it is where it lies in memory
    around = Options()
    around.itself = around  # type: ignore[attr-defined]
    json.dumps(opened(a=around).to_dict())


def test_hash_of_open_parameters() -> None:
    assert opened(a=1).hash() == opened(a=1, use_gpu=True, device="cuda", debug=2, visualization=True).hash()
    assert opened(a=1).hash() != opened(a=2).hash()
    assert opened(a=1).hash() != opened(a=1, b=1).hash()


def test_lists_of_feature_parameters_are_tensor_lists() -> None:
    params: Any = FeatureParams(scales=[1, 2], sizes=(3, 4))
    assert type(params.scales) is TensorList
    assert type(params.sizes) is tuple
    assert repr(params) == "FeatureParams(scales=[1, 2], sizes=(3, 4))"


def test_choices_follow_the_seed_of_the_run() -> None:
    def drawn(seed: int) -> list[int]:
        chance.seed(seed)
        assert not chance.is_used
        values = [Choice(*range(5)) for _ in range(20)]
        assert chance.is_used
        return values

    assert drawn(1) == drawn(1) != drawn(2)
    assert set(drawn(1)) == set(range(5))  # of 20 draws, one of five is missing with a chance of 6 percent
