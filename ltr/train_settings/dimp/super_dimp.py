"""SuperDiMP: DiMP-50 with larger crops, flips, and a box regressor of PrDiMP's kind, as published."""

from dataclasses import dataclass, replace

from ltr.common.errors import InputError
from ltr.train_settings.dimp._base import DiMPOptions, build_task, make_processing
from ltr.train_settings.dimp.dimp50 import UNUSED
from ltr.trainers.task import TrainingTask

FROZEN = ["conv1", "bn1", "layer1", "layer2"]


@dataclass(kw_only=True)
class Options(DiMPOptions):
    batch_size: int = 20
    train_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    train_samples: int = 40000
    val_samples: int = 10000
    max_gap: int = 200

    feature_size: int = 22
    search_area_factor: float = 6.0
    max_scale_change: float = 1.5  # crops stay inside the image, and shrink by up to that
    test_center_jitter: float = 5.5
    flip_probability: float = 0.5  # of a sample; in training also of each frame
    num_proposals: int = 128  # boxes whose density is predicted
    density_sigma: float = 0.05  # of the target's box density, in center over size and log size

    iou_weight: float = 0.01  # of the divergence of box densities
    lr_boxes: float = 1e-3

    def __post_init__(self) -> None:
        """Raises InputError for values of no use."""
        super().__post_init__()
        wrong = {
            "max_scale_change of at least 1": self.max_scale_change < 1,
            "flip_probability from 0 to 1": not 0 <= self.flip_probability <= 1,
            "density_sigma above 0": self.density_sigma <= 0,
            "num_proposals of at least 1": self.num_proposals < 1,
        }
        for expected, is_wrong in wrong.items():
            if is_wrong:
                name = expected.split()[0]
                raise InputError(f"expected {expected}, found {name}={getattr(self, name)}")


def build(options: Options) -> TrainingTask:
    shared = replace(
        make_processing(options),
        max_scale_change=options.max_scale_change,
        flip_probability=options.flip_probability,
        density_sigma=options.density_sigma,
    )
    train = replace(shared, frame_flip_probability=options.flip_probability)
    return build_task(options, "dimpnet50", train, shared, frozen_backbone_layers=[*FROZEN, *UNUSED])
