"""Arguments of the constructors of DiMP networks, under the names that published checkpoints store."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from ltr.common.errors import nearest


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Keyword arguments that all constructors of DiMP networks have.

    Raises ValueError for a value that is of no use or not supported.
    """

    backbone_pretrained: bool = False  # start from ImageNet weights
    frozen_backbone_layers: Sequence[str] = ()  # submodules of the backbone that are not trained; or "all" or "none"
    clf_feat_blocks: int = 1  # residual blocks between backbone and filter
    final_conv: bool = True  # a 3x3 convolution after them
    clf_feat_norm: bool = True  # instance L2 norm of the filter's features
    out_feature_dim: int = 256  # channels of the filter
    filter_size: int = 4  # taps a side
    filter_init: str = "linear"  # "linear": learnt offline; "zero": nothing to learn
    optim_iter: int = 5  # default number of iterations of the filter optimizer
    bb_regressor: bool = True  # IoU predictor for the refinement of boxes
    iou_input_dim: tuple[int, int] = (256, 256)
    iou_inter_dim: tuple[int, int] = (256, 256)
    iou_hidden_dim: int = 256

    # pytracking's constructors have these as well; each has one value that is supported here.
    classification_layer: str = "layer3"
    feat_stride: int = 16  # pixels per cell of that layer
    init_filter_norm: bool = False  # divide the initializer's filter by its number of elements
    detach_length: float = math.inf  # iterations through which a training's gradient goes

    def __post_init__(self) -> None:
        check_arguments({name: _CHECKS[name] for name in vars(self)}, vars(self))


@dataclass(frozen=True, kw_only=True)
class DiMPSettings(NetworkSettings):
    """Keyword arguments of DiMP's; the defaults are what the published DiMP networks were built with."""

    optim_init_step: float = 0.9
    optim_init_reg: float = 0.1
    init_gauss_sigma: float = 0.9  # cells
    num_dist_bins: int = 100
    bin_displacement: float = 0.1  # cells
    mask_init_factor: float = 3.0
    target_mask_act: str = "sigmoid"
    score_act: str = "relu"  # nothing else is supported
    act_param: float | None = None  # of activations other than "relu"


@dataclass(frozen=True, kw_only=True)
class PrDiMPSettings(NetworkSettings):
    """Keyword arguments of PrDiMP's; the defaults are what the published PrDiMP networks were built with."""

    optim_init_step: float = 1.0
    optim_init_reg: float = 0.05
    optim_min_reg: float = 0.05
    alpha_eps: float = 0.05  # added to the regularization in the step length's denominator
    gauss_sigma: float = 0.9  # of the label density, cells
    normalize_label: bool = True
    label_shrink: float = 0.0
    label_threshold: float = 0.0
    init_uni_weight: float | None = None  # share of a uniform density in the label's; None: 0
    softmax_reg: float | None = None  # score of one more cell, for a target that is nowhere
    init_initializer: str = "zero"  # "zero": a training starts with an initializer that gives filters of zeros
    train_feature_extractor: bool = True  # False: the same as frozen_backbone_layers="all"
    final_relu: bool = False  # nothing else is supported
    init_pool_square: bool = False  # nothing else is supported


Settings = TypeVar("Settings", bound=NetworkSettings)


def settings_of(cls: type[Settings], given: Mapping[str, Any], **defaults: Any) -> Settings:
    """Settings of a constructor that has other defaults.

    Raises TypeError for an unknown name, ValueError as `NetworkSettings`.
    """
    names = [field.name for field in fields(cls)]
    for name in given:
        if name not in names:
            raise TypeError(f"unexpected keyword argument {name!r}{nearest(name, names)}")
    return cls(**{**defaults, **given})


Check = tuple[str, Callable[[Any], bool]]  # what is expected, and whether a value is that


def check_arguments(checks: Mapping[str, Check], values: Mapping[str, Any]) -> None:
    """Raise ValueError, with what was expected and what was found, for the first value that is not as it should be."""
    for name, (expected, holds) in checks.items():
        if not holds(values[name]):
            raise ValueError(f"Expected {name} {expected}, got {values[name]!r}.")


def _is_int(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def count(least: int) -> Check:
    return f"to be a whole number of at least {least}", lambda value: _is_int(value, least)


def _one_of(*choices: str) -> Check:
    return " or ".join(map(repr, choices)), lambda value: value in choices


def _or_none(check: Check) -> Check:
    return f"{check[0]}, or None", lambda value: value is None or check[1](value)


def _only(value: Any, reason: str = "nothing else is supported") -> Check:
    return f"{value!r} ({reason})", lambda found: found == value and isinstance(found, bool) == isinstance(value, bool)


FLAG: Check = ("to be True or False", lambda value: isinstance(value, bool))
_NUMBER: Check = ("to be a finite number", _is_number)
_SHARE: Check = ("to be a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
_POSITIVE: Check = ("to be a positive finite number", lambda value: _is_number(value) and value > 0)
_NOT_NEGATIVE: Check = ("to be a finite number of at least 0", lambda value: _is_number(value) and value >= 0)
_PAIR: Check = (
    "to be two whole numbers of at least 1",
    lambda value: isinstance(value, tuple | list) and len(value) == 2 and all(_is_int(item, 1) for item in value),
)
NAMES: Check = (
    "to be names of the backbone's modules, 'all' or 'none'",
    lambda value: (
        value in ("all", "none")
        if isinstance(value, str)
        else isinstance(value, Sequence) and all(isinstance(item, str) for item in value)
    ),
)

_CHECKS: dict[str, Check] = {
    "backbone_pretrained": FLAG,
    "frozen_backbone_layers": NAMES,
    "clf_feat_blocks": count(0),
    "final_conv": FLAG,
    "clf_feat_norm": FLAG,
    "out_feature_dim": count(1),
    "filter_size": count(1),
    "filter_init": _one_of("linear", "zero"),
    "optim_iter": count(0),
    "optim_init_step": _POSITIVE,
    "optim_init_reg": _NUMBER,
    "init_gauss_sigma": _POSITIVE,
    "num_dist_bins": count(1),
    "bin_displacement": _POSITIVE,
    "mask_init_factor": _NUMBER,
    "target_mask_act": _one_of("sigmoid", "linear"),
    "score_act": _only("relu"),
    "bb_regressor": FLAG,
    "iou_input_dim": _PAIR,
    "iou_inter_dim": _PAIR,
    "iou_hidden_dim": count(2),
    "classification_layer": _only("layer3"),
    "feat_stride": _only(16, "that of layer3"),
    "init_filter_norm": _only(False),
    "act_param": _only(None, "the score activation 'relu' has no parameter"),
    "detach_length": ("inf (nothing else is supported)", lambda value: value == math.inf),
    "optim_min_reg": _NOT_NEGATIVE,
    "alpha_eps": _NOT_NEGATIVE,
    "gauss_sigma": _POSITIVE,
    "normalize_label": FLAG,
    "label_shrink": _SHARE,
    "label_threshold": _NOT_NEGATIVE,
    "init_uni_weight": _or_none(_SHARE),
    "softmax_reg": _or_none(_NUMBER),
    "init_initializer": _one_of("default", "zero"),
    "train_feature_extractor": FLAG,
    "final_relu": _only(False),
    "init_pool_square": _only(False),
}

# Defaults of pytracking's constructors, in the order of their arguments.
_FIRST: dict[str, Any] = {
    "filter_size": 1,
    "optim_iter": 5,
    "optim_init_step": 1.0,
    "optim_init_reg": 0.01,
    "classification_layer": "layer3",
    "feat_stride": 16,
    "backbone_pretrained": False,  # True there: of no effect on a network whose weights come from a file
    "clf_feat_blocks": 1,
    "clf_feat_norm": True,
    "init_filter_norm": False,
    "final_conv": True,
    "out_feature_dim": 256,
}
_IOU_DIMS: dict[str, Any] = {"iou_input_dim": (256, 256), "iou_inter_dim": (256, 256)}
_DIMP: dict[str, Any] = {
    **_FIRST,
    "init_gauss_sigma": 1.0,
    "num_dist_bins": 5,
    "bin_displacement": 1.0,
    "mask_init_factor": 4.0,
    **_IOU_DIMS,
    "score_act": "relu",
    "act_param": None,
    "target_mask_act": "sigmoid",
    "detach_length": math.inf,
    "frozen_backbone_layers": (),
}
_PRDIMP: dict[str, Any] = {
    **_FIRST,
    "gauss_sigma": 1.0,
    **_IOU_DIMS,
    "detach_length": math.inf,
    "alpha_eps": 0.0,
    "train_feature_extractor": True,
    "init_uni_weight": None,
    "optim_min_reg": 1e-3,
    "init_initializer": "default",
    "normalize_label": False,
    "label_shrink": 0.0,
    "softmax_reg": None,
    "label_threshold": 0.0,
    "final_relu": False,
}
_RESNET50: dict[str, Any] = {"clf_feat_blocks": 0, "out_feature_dim": 512}
PYTRACKING_DEFAULTS: dict[str, dict[str, Any]] = {
    "dimpnet18": _DIMP,
    "dimpnet50": _DIMP | _RESNET50,
    "klcedimpnet18": {**_PRDIMP, "init_pool_square": False, "frozen_backbone_layers": ()},
    "klcedimpnet50": {**_PRDIMP, "frozen_backbone_layers": ()} | _RESNET50,
}


def pytracking_arguments(constructor: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a call of pytracking's constructor of that name, with its defaults for those that are left out.

    Raises TypeError where there are too many or one is given twice.
    """
    defaults = PYTRACKING_DEFAULTS[constructor]
    if len(args) > len(defaults):
        raise TypeError(f"expected at most {len(defaults)} positional arguments, found {len(args)}")
    by_position = dict(zip(defaults, args, strict=False))
    if twice := sorted(by_position.keys() & kwargs.keys()):
        raise TypeError(f"got multiple values for argument '{twice[0]}'")
    return {**defaults, **by_position, **kwargs}
