"""What the trainings of MDNet networks share; values of RT-MDNet (Jung et al., ECCV 2018)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ltr.actors.mdnet import MDNetActor
from ltr.admin.checkpoint import read_checkpoint
from ltr.admin.loading import build_network
from ltr.admin.network_files import find_network
from ltr.common.environment import env_settings
from ltr.common.errors import InputError
from ltr.data.collate import join_domains
from ltr.data.mdnet_sampling import MDNetOptions, MDNetSampler
from ltr.dataset.registry import load_dataset
from ltr.models.tracking.mdnet import RoIFeatureNet
from ltr.train_settings.mdnet._accumulation import AccumulatedSGD
from ltr.trainers.options import TrainingOptions
from ltr.trainers.task import TrainingTask


@dataclass(kw_only=True)
class MDNetTrainingOptions(TrainingOptions):
    """Options of an MDNet training. An epoch shows every video once."""

    epochs: int = 1000
    batch_size: int = 1  # videos an iteration

    # Data by name, or as name:folder where the folder is not that of the settings file.
    train_data: tuple[str, ...] = ("vid_train",)
    num_frames: int = 8  # of each video
    num_positive: int = 32  # boxes in each frame
    num_negative: int = 96

    # File to start from, also by its name in one of the folders of network_path; none: random weights.
    start_from: str | None = None

    embedding_weight: float = 0.1
    embedding_from: int = 50_000  # iterations before it counts: a number of ours
    embedding_domains: int = 100  # other videos a target is told from

    learning_rate: float = 1e-4
    momentum: float = 0.9
    weight_decay: float = 5e-4
    accumulate: int = 50  # iterations whose gradients are summed for a step
    max_sum_norm: float | None = 10.0  # of that sum


def build_task(options: MDNetTrainingOptions, architecture: str, **settings: Any) -> TrainingTask:
    """Task of an MDNet network of a known architecture, with further settings of its constructor."""
    # A first network, without branches, says which scenes it wants; the videos then say how many branches there are.
    prototype = _build(architecture, settings)
    sampler = MDNetSampler(
        [load_dataset(name) for name in options.train_data],
        options=MDNetOptions(
            num_frames=options.num_frames,
            num_positive=options.num_positive,
            num_negative=options.num_negative,
            target_size=prototype.target_size,
            scene_multiple=prototype.scene_multiple,
        ),
        seed=options.seed,
    )
    settings = {**settings, "num_branches": sampler.num_domains}
    net = _build(architecture, settings).initialize_fully_connected_()
    if options.start_from is not None:
        start_from(net, existing_network(options.start_from))
    actor = MDNetActor(
        net,
        embedding_weight=options.embedding_weight,
        embedding_from=options.embedding_from,
        embedding_domains=options.embedding_domains,
    )
    return TrainingTask(
        actor=actor,
        architecture=architecture,
        architecture_kwargs=settings,
        train_set=sampler,
        collate=join_domains,
        optimizer=partial(
            AccumulatedSGD,
            lr=options.learning_rate,
            momentum=options.momentum,
            weight_decay=options.weight_decay,
            accumulate=options.accumulate,
            max_norm=options.max_sum_norm,
        ),
    )


def existing_network(name: str) -> Path:
    """File by its path, or as `find_network` finds it. Raises InputError."""
    here = Path(name).expanduser()
    path = here if here.is_file() else find_network(name)
    if not path.is_file():
        raise InputError(
            f"no file {name}, and none of that name in {', '.join(map(str, env_settings().network_path))}\n"
            "  put it there, or start from random weights: start_from=none"
        )
    return path


def start_from(net: RoIFeatureNet, path: Path) -> None:
    """Take over the weights that a file holds. Raises InputError where it holds others than the network's."""
    weights: Mapping[str, Any] = read_checkpoint(path).state_dict
    shared = {name: value for name, value in weights.items() if not name.startswith("branches.")}
    try:
        unknown = net.load_state_dict(shared, strict=False).unexpected_keys
    except RuntimeError as error:
        raise InputError(f"{path} does not fit the network: {error}") from error
    if unknown or not shared:
        raise InputError(f"{path} holds none of the network's weights, but: {', '.join(list(weights)[:5])}")


def _build(architecture: str, settings: dict[str, Any]) -> RoIFeatureNet:
    net = build_network(architecture, **settings)
    assert isinstance(net, RoIFeatureNet)
    return net
