"""What the trainings of DiMP networks share; values of the published training of DiMP-50."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn
from torch.optim.lr_scheduler import StepLR

from ltr.actors.dimp import DiMPActor
from ltr.admin.loading import build_network
from ltr.common.errors import InputError
from ltr.data.collate import stack_sequences
from ltr.data.processing import DiMPProcessing, Jitter
from ltr.data.sampler import DiMPSampler
from ltr.dataset.base import TrackDataset
from ltr.dataset.registry import load_dataset
from ltr.models.tracking.dimpnet import DiMPnet
from ltr.trainers.options import TrainingOptions
from ltr.trainers.task import TrainingTask

FEATURE_STRIDE = 16  # pixels per cell of the classifier's features


@dataclass(kw_only=True)
class DiMPOptions(TrainingOptions):
    """Options of a DiMP training."""

    epochs: int = 50
    batch_size: int = 10  # sequences

    # Data by name, or as name:folder where the folder is not that of the settings file.
    train_data: tuple[str, ...] = ("lasot_train", "got10k_vottrain", "trackingnet_train", "coco_train")
    train_weights: tuple[float, ...] = (0.25, 1.0, 1.0, 1.0)  # how often each is drawn
    val_data: tuple[str, ...] = ("got10k_votval",)  # none: no validation
    trackingnet_sets: tuple[int, ...] = (0, 1, 2, 3)
    train_samples: int = 26000  # an epoch
    val_samples: int = 5000
    num_train_frames: int = 3
    num_test_frames: int = 3
    max_gap: int = 30  # frames

    # Crops, and the labels in them.
    feature_size: int = 18  # cells a side of the classifier's features: crops have 16 times as many pixels
    search_area_factor: float = 5.0  # side of the crop in sides of the target
    label_sigma_factor: float = 0.25  # standard deviation of the label in sides of the target
    train_center_jitter: float = 3.0
    train_scale_jitter: float = 0.25
    test_center_jitter: float = 4.5
    test_scale_jitter: float = 0.5
    num_proposals: int = 8  # boxes whose overlap is predicted, in each test frame

    # Network.
    filter_size: int = 4  # taps a side of the target filter
    backbone_pretrained: bool = True  # start from ImageNet weights

    # Loss.
    hinge_threshold: float = 0.05  # labels below are background
    iou_weight: float = 1.0
    final_weight: float = 100.0
    initial_weight: float = 100.0
    intermediate_weight: float = 400.0

    # Learning rates of Adam, multiplied by lr_gamma after every lr_step epochs.
    lr_initializer: float = 5e-5
    lr_optimizer: float = 5e-4
    lr_features: float = 5e-5
    lr_boxes: float = 2e-4
    lr_backbone: float = 2e-5
    lr_step: int = 15
    lr_gamma: float = 0.2

    def __post_init__(self) -> None:
        """Raises InputError for values that do not fit together."""
        super().__post_init__()
        if len(self.train_data) != len(self.train_weights):
            raise InputError(
                f"expected as many train_weights as train_data, found {len(self.train_weights)} and "
                f"{len(self.train_data)}\n  give both, for example: train_data=got10k_train train_weights=1"
            )


def build_task(
    options: DiMPOptions,
    architecture: str,
    processing: DiMPProcessing | None = None,  # default: `make_processing`; that of training frames
    val_processing: DiMPProcessing | None = None,  # default: the same
    **settings: Any,
) -> TrainingTask:
    """Task of a DiMP network of a known architecture, with further settings of its constructor."""
    processing = make_processing(options) if processing is None else processing
    # The data first: where it is not there, that should be said at once.
    train = make_sampler(options, processing, options.train_data, options.train_weights, options.train_samples)
    val = None
    if options.val_data:
        val = make_sampler(options, val_processing or processing, options.val_data, None, options.val_samples)
    settings = {
        "backbone_pretrained": options.backbone_pretrained,
        "filter_size": options.filter_size,
        "init_gauss_sigma": processing.label_sigma,
        **settings,
    }
    net = build_network(architecture, **settings)
    assert isinstance(net, DiMPnet)
    return TrainingTask(
        actor=make_actor(net, options),
        architecture=architecture,
        architecture_kwargs=settings,
        train_set=train,
        val_set=val,
        collate=stack_sequences,
        parameter_groups=parameter_groups(net, options),
        schedule=partial(StepLR, step_size=options.lr_step, gamma=options.lr_gamma),
    )


def make_actor(net: DiMPnet, options: DiMPOptions) -> DiMPActor:
    return DiMPActor(
        net,
        iou_weight=options.iou_weight,
        final_weight=options.final_weight,
        initial_weight=options.initial_weight,
        intermediate_weight=options.intermediate_weight,
        hinge_threshold=options.hinge_threshold,
    )


def make_processing(options: DiMPOptions) -> DiMPProcessing:
    return DiMPProcessing(
        search_area_factor=options.search_area_factor,
        output_size=options.feature_size * FEATURE_STRIDE,
        feature_size=options.feature_size,
        kernel_size=options.filter_size,
        label_sigma_factor=options.label_sigma_factor,
        train_jitter=Jitter(center=options.train_center_jitter, scale=options.train_scale_jitter),
        test_jitter=Jitter(center=options.test_center_jitter, scale=options.test_scale_jitter),
        num_proposals=options.num_proposals,
    )


def make_sampler(
    options: DiMPOptions,
    processing: DiMPProcessing,
    names: Sequence[str],
    weights: Sequence[float] | None,
    num_samples: int,
) -> DiMPSampler:
    return DiMPSampler(
        [_load(name, options) for name in names],
        weights,
        num_samples=num_samples,
        processing=processing,
        num_train_frames=options.num_train_frames,
        num_test_frames=options.num_test_frames,
        max_gap=options.max_gap,
        seed=options.seed,
    )


def parameter_groups(net: DiMPnet, options: DiMPOptions) -> list[dict[str, Any]]:
    """Groups for the optimizer, of what is trained in each part of the network."""
    parts: dict[str, tuple[nn.Module | None, float]] = {
        "initializer": (net.classifier.filter_initializer, options.lr_initializer),
        "optimizer": (net.classifier.filter_optimizer, options.lr_optimizer),
        "features": (net.classifier.feature_extractor, options.lr_features),
        "boxes": (net.bb_regressor, options.lr_boxes),
        "backbone": (net.feature_extractor, options.lr_backbone),
    }
    groups = []
    for name, (part, lr) in parts.items():
        trained = [p for p in part.parameters() if p.requires_grad] if part is not None else []
        if trained:
            groups.append({"params": trained, "lr": lr, "name": name})
    return groups


def _load(name: str, options: DiMPOptions) -> TrackDataset:
    if name.partition(":")[0] == "trackingnet_train":
        return load_dataset(name, sets=options.trackingnet_sets)
    return load_dataset(name)
