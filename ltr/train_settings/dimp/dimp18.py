"""DiMP-18 on LaSOT, GOT-10k, TrackingNet and COCO, as published."""

from dataclasses import dataclass

from ltr.train_settings.dimp._base import DiMPOptions, build_task
from ltr.train_settings.dimp.dimp50 import UNUSED
from ltr.trainers.task import TrainingTask


@dataclass(kw_only=True)
class Options(DiMPOptions):
    batch_size: int = 26
    lr_boxes: float = 1e-3
    lr_backbone: float = 2e-4


def build(options: Options) -> TrainingTask:
    return build_task(options, "dimpnet18", frozen_backbone_layers=UNUSED)
