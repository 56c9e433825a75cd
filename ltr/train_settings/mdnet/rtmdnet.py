"""RT-MDNet on ImageNet-VID, from the convolutions of VGG-M, as published."""

from dataclasses import dataclass

from ltr.train_settings.mdnet._base import MDNetTrainingOptions, build_task
from ltr.trainers.task import TrainingTask


@dataclass(kw_only=True)
class Options(MDNetTrainingOptions):
    start_from: str | None = "imagenet-vgg-m.mat"


def build(options: Options) -> TrainingTask:
    return build_task(options, "mdnet")
