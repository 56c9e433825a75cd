"""Steps of a training of DiMP-18 from random weights, in each precision that the device has."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Literal, get_args

import torch

from ltr.common.errors import InputError
from ltr.train_settings.dimp.dimp18 import Options, build
from ltr.trainers.folder import TrainingFolder
from ltr.trainers.processes import Processes
from ltr.trainers.randomness import seed_everything
from ltr.trainers.trainer import Trainer, check_precision
from pytracking.util_scripts.check_device.processes import Found, Setting
from pytracking.util_scripts.check_device.results import Measurement

STEPS, BATCH = 3, 2
Precision = Literal["off", "bfloat16", "float16"]
# Of the losses against float32 on a CPU. The network starts at random, so that its filter learns next to nothing and
# the losses are smooth functions of the features.
TOLERANCES = {
    "off": (0.02, "three steps, on a GPU with TF32 convolutions"),
    "bfloat16": (0.2, "8 bits of mantissa, twenty layers"),
    "float16": (0.1, "11 bits of mantissa, twenty layers"),
}


def training(setting: Setting) -> Found:
    """Losses of three steps."""
    expected = losses("cpu", "off")
    measured, left_out = [], {}
    for precision in get_args(Precision):
        try:
            check_precision(_options(precision), torch.device(setting.device))
        except InputError as refusal:
            left_out[precision] = str(refusal)
            continue
        found = losses(setting.device, precision)
        error = max(abs(own - other) / abs(other) for own, other in zip(found, expected, strict=True))
        limit, reason = TOLERANCES[precision]
        measured.append(Measurement(f"amp={precision}: losses, relative difference", error, limit, reason))
    return Found(measured, {"losses": expected, "left_out": left_out})


def losses(device: str, precision: Precision) -> list[float]:
    """Of three steps on rendered videos, infinite where the training stopped."""
    options = _options(precision)
    seed_everything(0)
    with tempfile.TemporaryDirectory() as folder:
        place = TrainingFolder(Path(folder), "dimp", "dimp18")
        trainer = Trainer(build(options), options, place, Processes(torch.device(device)), {})
        trainer.parallel.train()
        steps = trainer.train_loader.epoch(1)
        found = [trainer.step(indices, batch).stats["loss/total"] for indices, batch in steps]
    return [float(loss) if math.isfinite(loss) else math.inf for loss in found]


def _options(precision: Precision) -> Options:
    return Options(
        amp=precision,
        batch_size=BATCH,
        train_samples=STEPS * BATCH,
        num_workers=0,
        tensorboard=False,
        train_data=("synthetic",),
        train_weights=(1.0,),
        val_data=(),
        num_train_frames=1,
        num_test_frames=1,
        backbone_pretrained=False,
    )
