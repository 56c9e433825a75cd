"""DiMP-50 on LaSOT, GOT-10k, TrackingNet and COCO, as published."""

from dataclasses import dataclass

from ltr.train_settings.dimp._base import DiMPOptions, build_task
from ltr.trainers.task import TrainingTask

UNUSED = ["layer4", "fc"]  # behind the features; published state dicts hold them


@dataclass(kw_only=True)
class Options(DiMPOptions):
    pass


def build(options: DiMPOptions) -> TrainingTask:
    return build_task(options, "dimpnet50", frozen_backbone_layers=UNUSED)
