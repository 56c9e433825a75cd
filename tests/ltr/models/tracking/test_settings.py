"""Arguments of the constructors: what is filled in, what is accepted, and what an error says."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from ltr.models.tracking.dimpnet import (
    DiMPnet,
    dimpnet18,
    dimpnet50,
    dimpnet_lite0,
    klcedimpnet18,
    klcedimpnet50,
    klcedimpnet_lite0,
)
from ltr.models.tracking.mdnet import mdnet, mdnet_lite0
from ltr.models.tracking.settings import PYTRACKING_DEFAULTS, DiMPSettings, PrDiMPSettings, pytracking_arguments

CONSTRUCTORS = {
    **dict.fromkeys((dimpnet18, dimpnet50, dimpnet_lite0), DiMPSettings),
    **dict.fromkeys((klcedimpnet18, klcedimpnet50, klcedimpnet_lite0), PrDiMPSettings),
}

SPELT_OUT = {
    "classification_layer": "layer3",
    "feat_stride": 16,
    "init_filter_norm": False,
    "detach_length": math.inf,
    "iou_input_dim": [256, 256],
    "iou_inter_dim": (256, 256),
    "frozen_backbone_layers": (),
}
SPELT_OUT_OF = {
    DiMPSettings: {"act_param": None, "score_act": "relu", "target_mask_act": "sigmoid"},
    PrDiMPSettings: {
        "train_feature_extractor": True,
        "init_uni_weight": None,
        "softmax_reg": None,
        "final_relu": False,
        "init_pool_square": False,
    },
}

WRONG: list[tuple[str, Any, str]] = [
    ("classification_layer", "layer2", r"'layer3' .*got 'layer2'"),
    ("classification_layer", ["layer3"], r"'layer3' .*got \['layer3'\]"),
    ("feat_stride", 8, r"16 .*got 8"),
    ("init_filter_norm", True, "False .*got True"),
    ("act_param", 0.1, r"None .*got 0\.1"),
    ("detach_length", 2, r"inf .*got 2"),
    ("score_act", "bentpar", "'relu' .*got 'bentpar'"),
    ("target_mask_act", "softmax", "'sigmoid' or 'linear', got 'softmax'"),
    ("filter_size", 0, "whole number of at least 1, got 0"),
    ("filter_size", "4", "whole number of at least 1, got '4'"),
    ("filter_size", 4.5, r"whole number of at least 1, got 4\.5"),
    ("optim_iter", -1, "whole number of at least 0, got -1"),
    ("optim_iter", True, "whole number of at least 0, got True"),
    ("optim_init_step", 0.0, r"positive finite number, got 0\.0"),
    ("optim_init_step", math.inf, "positive finite number, got inf"),
    ("optim_init_reg", None, "finite number, got None"),
    ("init_gauss_sigma", -1, "positive finite number, got -1"),
    ("num_dist_bins", 0, "whole number of at least 1, got 0"),
    ("bin_displacement", 0, "positive finite number, got 0"),
    ("mask_init_factor", math.nan, "finite number, got nan"),
    ("clf_feat_blocks", -1, "whole number of at least 0, got -1"),
    ("clf_feat_norm", 2, "True or False, got 2"),
    ("final_conv", "yes", "True or False, got 'yes'"),
    ("out_feature_dim", 0, "whole number of at least 1, got 0"),
    ("iou_input_dim", (256,), r"two whole numbers of at least 1, got \(256,\)"),
    ("iou_inter_dim", 256, "two whole numbers of at least 1, got 256"),
    ("iou_hidden_dim", 1, "whole number of at least 2, got 1"),
    ("backbone_pretrained", None, "True or False, got None"),
    ("bb_regressor", "no", "True or False, got 'no'"),
    ("filter_init", "ones", "'linear' or 'zero', got 'ones'"),
    ("frozen_backbone_layers", "some", "'all' or 'none', got 'some'"),
    ("frozen_backbone_layers", [1], r"'all' or 'none', got \[1\]"),
    ("optim_min_reg", -0.1, r"finite number of at least 0, got -0\.1"),
    ("alpha_eps", "0", "finite number of at least 0, got '0'"),
    ("gauss_sigma", 0, "positive finite number, got 0"),
    ("normalize_label", None, "True or False, got None"),
    ("label_shrink", 1.5, r"number from 0 to 1, got 1\.5"),
    ("label_threshold", math.inf, "finite number of at least 0, got inf"),
    ("init_uni_weight", -0.1, r"number from 0 to 1, or None, got -0\.1"),
    ("softmax_reg", -math.inf, "finite number, or None, got -inf"),
    ("init_initializer", "ones", "'default' or 'zero', got 'ones'"),
    ("train_feature_extractor", 1, "True or False, got 1"),
    ("final_relu", True, "False .*got True"),
    ("init_pool_square", True, "False .*got True"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_wrong_values_are_named(name: str, value: Any, message: str) -> None:
    for constructor, settings in CONSTRUCTORS.items():
        if name in settings.__dataclass_fields__:
            with pytest.raises(ValueError, match=f"Expected {name} .*{message}"):
                constructor(**{name: value})


def test_every_argument_is_checked() -> None:
    assert {name for name, _, _ in WRONG} == {
        name for settings in CONSTRUCTORS.values() for name in settings.__dataclass_fields__
    }
    for name, defaults in PYTRACKING_DEFAULTS.items():
        settings = PrDiMPSettings if name.startswith("klce") else DiMPSettings
        assert set(defaults) <= set(settings.__dataclass_fields__)


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
def test_defaults_that_are_spelt_out_change_nothing(constructor: Callable[..., DiMPnet]) -> None:
    spelt_out = SPELT_OUT | SPELT_OUT_OF[CONSTRUCTORS[constructor]]
    shapes = [
        {key: value.shape for key, value in constructor(**arguments).state_dict().items()}
        for arguments in ({"backbone_pretrained": False}, {"backbone_pretrained": False, **spelt_out})
    ]
    assert shapes[0] == shapes[1]


def test_unknown_arguments_get_the_nearest_name() -> None:
    with pytest.raises(TypeError, match="'optim_init_stp'; did you mean 'optim_init_step'"):
        dimpnet50(optim_init_stp=0.9)


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_branches", -1), ("num_branches", "2"), ("num_branches", True), ("with_fully_connected", 1)],
)
def test_wrong_values_of_mdnet_are_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"Expected {name} .*, got {value!r}"):
        mdnet(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("target_size", 0), ("hidden_dim", 1.5), ("num_branches", -1), ("backbone_pretrained", "no")]
)
def test_wrong_values_of_mdnet_lite_are_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"Expected {name} .*, got {value!r}"):
        mdnet_lite0(**{name: value})


def test_frozen_layers() -> None:
    for frozen in (dimpnet18(frozen_backbone_layers="all"), klcedimpnet18(train_feature_extractor=False)):
        assert not any(parameter.requires_grad for parameter in frozen.feature_extractor.parameters())
    nothing = dimpnet18(frozen_backbone_layers="none").feature_extractor
    assert all(parameter.requires_grad for parameter in nothing.parameters())
    some = dimpnet18(frozen_backbone_layers=["conv1", "layer1.0"]).feature_extractor
    assert not some.get_parameter("layer1.0.conv1.weight").requires_grad
    assert some.get_parameter("layer1.1.conv1.weight").requires_grad
    with pytest.raises(ValueError, match=r"frozen layers among conv1, bn1, .*, got layer5"):
        dimpnet18(frozen_backbone_layers=["conv1", "layer5"])


def test_arguments_of_a_pytracking_call() -> None:
    filled = pytracking_arguments("dimpnet50", (4, 3), {"optim_init_step": 0.9})
    assert (filled["filter_size"], filled["optim_iter"], filled["optim_init_step"]) == (4, 3, 0.9)
    assert (filled["num_dist_bins"], filled["out_feature_dim"]) == (5, 512)
    with pytest.raises(TypeError, match="multiple values for argument 'filter_size'"):
        pytracking_arguments("dimpnet50", (4,), {"filter_size": 4})
    with pytest.raises(TypeError, match="at most 23 positional arguments, found 24"):
        pytracking_arguments("dimpnet50", (None,) * 24, {})


def test_an_initializer_of_zeros_starts_a_training_of_prdimp() -> None:
    weights = [
        klcedimpnet18(init_initializer=start).classifier.filter_initializer.filter_conv.weight
        for start in ("zero", "default")
    ]
    assert [bool(weight.any()) for weight in weights] == [False, True]


@pytest.mark.parametrize("filter_size", [1, 3])
def test_a_network_of_pytrackings_defaults_learns(filter_size: int) -> None:
    """Filters of one tap and five bins a cell apart: the scores rise at the target and fall elsewhere."""
    torch.manual_seed(0)
    arguments = pytracking_arguments("dimpnet18", (filter_size,), {})
    net = dimpnet18(**arguments).eval()
    feat, bb = torch.randn(2, 256, 9, 9) / 48, torch.tensor([[48.0, 56, 32, 32], [60, 50, 32, 32]])
    with torch.no_grad():
        weights, _, losses = net.classifier.get_filter(feat, bb, num_iter=8)
        scores = net.classifier.classify(weights, feat)
    assert weights.shape == (1, 256, filter_size, filter_size)
    assert scores.shape == (2, 9, 9)
    assert losses[-1] < 0.1 * losses[0]
