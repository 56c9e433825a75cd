"""Makes files as DiMP's training wrote them: classes that live in modules which a reader does not have."""

import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


@contextmanager
def importable(**modules: str) -> Iterator[types.SimpleNamespace]:
    """Classes that pickle under these modules, e.g. `importable(Settings="ltr.admin.settings")`; gone afterwards."""
    classes = types.SimpleNamespace()
    absent = set(modules.values()) | {
        module.rsplit(".", depth)[0] for module in modules.values() for depth in (1, 2, 3)
    }
    inserted = {name: types.ModuleType(name) for name in absent if name not in sys.modules}
    sys.modules.update(inserted)
    try:
        for name, module in modules.items():
            cls = type(name, (), {"__module__": module})
            setattr(inserted[module], name, cls)
            setattr(classes, name, cls)
        yield classes
    finally:
        for name in inserted:
            del sys.modules[name]


def _filled(cls: type, **attributes: Any) -> Any:
    made = cls()
    vars(made).update(attributes)
    return made


def training_checkpoint(
    state_dict: dict[str, torch.Tensor], fun_name: str, kwds: dict[str, Any], classes: types.SimpleNamespace
) -> dict[str, Any]:
    """The entries of a DiMP training file, with objects of these classes."""
    module = "ltr.models.tracking.dimpnet"
    meter = _filled(
        classes.AverageMeter, val=0.5, avg=np.float64(0.25), sum=1.0, count=np.int64(4), history=[0.5, 0.25]
    )
    learning_rate = _filled(classes.StatValue, val=np.float32(2e-4), history=[])
    environment = _filled(classes.EnvironmentSettings, workspace_dir="/home/someone/ltr", lasot_dir="")
    settings = _filled(
        classes.Settings, env=environment, batch_size=10, normalize_mean=[0.485, 0.456, 0.406], use_gpu=True
    )
    return {
        "epoch": 50,
        "actor_type": "DiMPActor",
        "net_type": "DiMPnet",
        "net": OrderedDict(state_dict),
        "net_info": None,
        "constructor": _filled(classes.NetConstructor, fun_name=fun_name, fun_module=module, args=(), kwds=kwds),
        "optimizer": {
            "state": {140_234_567_890_123: {"step": 7, "exp_avg": torch.zeros(2)}},
            "param_groups": [{"lr": 1e-3}],
        },
        "stats": OrderedDict(train=OrderedDict({"Loss/total": meter, "LearningRate/group0": learning_rate})),
        "settings": settings,
    }


CURRENT_NAMES = {
    "NetConstructor": "ltr.admin.model_constructor",
    "Settings": "ltr.admin.settings",
    "EnvironmentSettings": "ltr.admin.local",
    "AverageMeter": "ltr.admin.stats",
    "StatValue": "ltr.admin.stats",
}
OLD_NAMES = {name: "dlframework.common.utils." + module.split(".")[-1] for name, module in CURRENT_NAMES.items()}


def write_training_file(
    path: Path,
    state_dict: dict[str, torch.Tensor],
    fun_name: str = "tiny",
    kwds: dict[str, Any] | None = None,
    names: dict[str, str] = CURRENT_NAMES,
    zipped: bool = True,
) -> Path:
    """One training file at `path`, in torch's zip format or the older one."""
    with importable(**names) as classes:
        content = training_checkpoint(state_dict, fun_name, kwds or {}, classes)
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


class Tiny(nn.Module):
    """Network small enough for every test: a linear layer behind a batch normalization, as in DiMP's state dicts."""

    def __init__(self, width: int, scale: float, layers: list[str] | None, detach_length: float) -> None:
        super().__init__()
        self.feature_extractor = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width))
        self.arguments = (width, scale, layers, detach_length)


def tiny(
    width: int = 4,
    scale: float = 1.0,
    layers: list[str] | None = None,
    detach_length: float = float("inf"),
    backbone_pretrained: bool = False,
) -> Tiny:
    """Constructor function of `Tiny`; like DiMP's, it would fetch ImageNet weights if asked to."""
    if backbone_pretrained:
        raise OSError("no network access")
    return Tiny(width, scale, layers, detach_length)
