"""Heads of DiMP on the frozen EfficientNet-Lite0, trained on stored features: real sequences and rendered ones."""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from ltr.actors.dimp import DiMPActor
from ltr.common.environment import env_settings
from ltr.data.feature_cache import (
    CachedSamples,
    CropOptions,
    FeatureCache,
    SampleOptions,
    cached_features,
    stack_cached,
)
from ltr.data.synthetic import SceneOptions, SyntheticTracks
from ltr.dataset.base import TrackDataset
from ltr.dataset.sequences import folder_tracks
from ltr.models.tracking.dimpnet import DiMPnet, dimpnet_lite0
from ltr.trainers.options import TrainingOptions
from ltr.trainers.task import TrainingTask

ARCHITECTURE = {
    "final_conv": True,
    "filter_init": "linear",
    "bb_regressor": True,
    "iou_input_dim": (64, 64),
    "iou_inter_dim": (128, 128),
    "iou_hidden_dim": 64,
}
AS_RENDERED = CropOptions(flip_share=0.0, gray_share=0.0, blur_share=0.0, brightness_jitter=0.0)
VAL_SAMPLES = 96


@dataclass(kw_only=True)
class Options(TrainingOptions):
    """`sequences` and `val_sequences` are folders of `<name>/img/*.jpg` and `<name>/groundtruth.txt`."""

    epochs: int = 16
    batch_size: int = 8
    val_interval: int = 1
    keep_checkpoints: int = 2
    clip_grad_norm: float | None = 50.0
    samples_per_epoch: int = 1000
    learning_rate: float = 2e-3  # highest, of the IoU predictor
    classifier_rate: float = 3e-4  # of the classifier's convolutions
    maps_rate: float = 3e-3  # of the label, mask and weight maps, step length and regularization

    cutouts: Path | None = None  # images with an alpha channel; none: pieces of the backgrounds
    backgrounds: Path | None = None  # photographs; none: those of installed packages
    synthetic_tracks: int = 2000
    sequences: Path | None = None  # none: rendered tracks alone
    sequences_share: float = 0.3  # of the samples
    val_sequences: Path | None = None  # none: no validation
    crops_per_sequence: int = 600
    val_crops_per_sequence: int = 60
    cache: Path | None = None  # where features are stored; none: in the workspace


def build(options: Options) -> TrainingTask:
    """The task; features that are not stored yet are computed, which takes minutes."""
    net = dimpnet_lite0(**ARCHITECTURE)
    net.feature_extractor.requires_grad_(False)
    begin_untrained(net)
    scenes = SceneOptions(num_frames=12)
    rendered = SyntheticTracks(
        options.cutouts, options.backgrounds, num_tracks=options.synthetic_tracks, seed=options.seed, options=scenes
    )
    caches, shares = [_features(options, net, rendered, AS_RENDERED)], [1.0]
    if options.sequences is not None:
        real = CropOptions(crops_per_track=options.crops_per_sequence, seed=options.seed)
        caches.append(_features(options, net, folder_tracks(options.sequences), real))
        shares = [1 - options.sequences_share, options.sequences_share]
    val_set = None
    if options.val_sequences is not None:
        still = replace(AS_RENDERED, crops_per_track=options.val_crops_per_sequence)
        held_out = _features(options, net, folder_tracks(options.val_sequences), still)
        val_set = CachedSamples([held_out], [1.0], num_samples=VAL_SAMPLES, options=SampleOptions(), repeat=True)
    return TrainingTask(
        actor=DiMPActor(net),
        architecture="dimpnet_lite0",
        architecture_kwargs=ARCHITECTURE,
        train_set=CachedSamples(
            caches, shares, num_samples=options.samples_per_epoch, options=SampleOptions(), seed=options.seed
        ),
        val_set=val_set,
        collate=stack_cached,
        parameter_groups=parameter_groups(net, options),
        schedule=partial(_one_cycle, options=options),
        schedule_step="iteration",
    )


def begin_untrained(net: DiMPnet) -> None:
    """Start near the untrained tracker: its convolution passes the features on, its first filter is almost zero."""
    convolution: Any = net.classifier.feature_extractor[0]  # type: ignore[index]
    initializer: Any = net.classifier.filter_initializer.filter_conv
    with torch.no_grad():
        convolution.weight.mul_(0.1)
        convolution.weight[:, :, 1, 1] += torch.eye(len(convolution.weight))
        initializer.weight.mul_(0.02)


def parameter_groups(net: DiMPnet, options: Options) -> list[dict[str, Any]]:
    """The trained parts and their highest learning rates."""
    assert net.bb_regressor is not None
    classifier = net.classifier
    rates: dict[str, tuple[list[nn.Module], float]] = {
        "iou": ([net.bb_regressor], options.learning_rate),
        "classifier": ([classifier.feature_extractor, classifier.filter_initializer], options.classifier_rate),
        "maps": ([classifier.filter_optimizer], options.maps_rate),
    }
    return [
        {"name": name, "lr": rate, "params": [p for module in modules for p in module.parameters()]}
        for name, (modules, rate) in rates.items()
    ]


def _one_cycle(optimizer: torch.optim.Optimizer, options: Options) -> LRScheduler:
    steps = options.epochs * (options.samples_per_epoch // options.batch_size)
    rates = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, rates, total_steps=steps + 1, pct_start=0.1, cycle_momentum=False)


def _features(options: Options, net: DiMPnet, dataset: TrackDataset, crops: CropOptions) -> FeatureCache:
    folder = options.cache or (options.workspace or env_settings().workspace_path) / "feature_cache"

    def report(done: int, tracks: int) -> None:
        if done == tracks or done % max(tracks // 20, 1) == 0:
            print(f"features of {dataset.name}: {done} of {tracks} tracks", file=sys.stderr, flush=True)

    return cached_features(folder, dataset, net.feature_extractor, net.output_layers, crops, report)
