"""fc4 and fc5 of RT-MDNet on the frozen EfficientNet-Lite0, on ImageNet-VID."""

from dataclasses import dataclass

from ltr.train_settings.mdnet._base import MDNetTrainingOptions, build_task
from ltr.trainers.task import TrainingTask

BACKBONE = ["_conv_stem", "_bn0", "_blocks", "_conv_head", "_bn1", "_fc"]  # all of it


@dataclass(kw_only=True)
class Options(MDNetTrainingOptions):
    backbone_pretrained: bool = True  # ImageNet weights, from the installed package


def build(options: Options) -> TrainingTask:
    return build_task(
        options, "mdnet_lite0", backbone_pretrained=options.backbone_pretrained, frozen_backbone_layers=BACKBONE
    )
