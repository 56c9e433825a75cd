"""Parameters of the RT-MDNet tracker family; the defaults are those of RT-MDNet."""

from dataclasses import dataclass, field
from typing import Literal

from ltr.data.sampling_options import Range, Sampling, gaussian, uniform
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.utils.params import TypedParams

__all__ = ["RTMDNetParams", "Range", "Sampling", "gaussian", "uniform"]


@dataclass(kw_only=True)
class RTMDNetParams(TypedParams):
    """A parameter file says what differs from these."""

    # Network
    net: NetWithBackbone | None = None

    # First frame
    init_positives: int = 500
    init_negatives: int = 5000
    init_positive_sampling: Sampling = field(default_factory=lambda: gaussian(0.1, 1.2, (0.7, 1.0)))
    init_negative_sampling: Sampling = field(default_factory=lambda: uniform(1.0, 2.0, 1.1, (0.0, 0.5)))
    init_iterations: int = 50
    init_learning_rate: float = 1e-4
    scene_shift: float = 4.0  # image pixels by which two of the first frame's scenes are moved, left and up
    scene_scales: list[float] = field(default_factory=lambda: [1 / 1.1, 1.1, 1.1**-2, 1.1**2])  # of further scenes
    extra_crops: int = 100  # crops of the target, jittered in position and scale
    extra_crop_size: float = 1.8  # in target sizes
    extra_crop_samples: tuple[int, int, int] = (5, 12, 2)  # positives, negatives, boxes for regression, of each crop
    extra_negative_sampling: Sampling = field(default_factory=lambda: uniform(0.3, 2.0, 1.1, (0.0, 0.5)))

    # Box regression
    bbox_regression: bool = True
    regression_samples: int = 1000
    regression_sampling: Sampling = field(default_factory=lambda: uniform(0.3, 1.5, 1.1, (0.6, 1.0), (1.0, 2.0)))
    regression_alpha: float = 1000.0  # penalty of the ridge regression
    regression_overlap: Range = (0.6, 1.0)  # a regressed box is used if its IoU with the sample is in this range
    regression_area: Range = (1.0, 2.0)  # and so is the area of the sample relative to its own

    # Localization
    num_candidates: int = 256
    candidate_translation: float = 0.6
    candidate_translation_lost: float = 1.4  # after a frame in which the target was not found
    candidate_scale: float = 1.05
    num_best: int = 5  # candidates whose mean is the target
    success_threshold: float = 0.0  # of their mean score
    output_not_found_box: bool = False  # report [-1, -1, -1, -1] while the target is not found

    # Sample memory
    update_positives: int = 50  # of a frame
    update_negatives: int = 200
    update_positive_sampling: Sampling = field(default_factory=lambda: gaussian(0.1, 1.2, (0.7, 1.0)))
    update_negative_sampling: Sampling = field(default_factory=lambda: uniform(1.5, 1.2, None, (0.0, 0.3)))
    short_term_frames: int = 20
    long_term_frames: int = 100
    regular_memory: Literal["long", "short"] = "long"  # positives that a regular update learns from

    # Online learning
    update_interval: int = 10  # frames between regular updates
    update_iterations: int = 15
    update_learning_rate: float = 3e-4
    fc6_learning_rate_factor: float = 10.0
    batch_positives: int = 32
    batch_negatives: int = 96
    batch_negative_candidates: int = 1024  # among which the hardest are used
    momentum: float = 0.9
    weight_decay: float = 5e-4
    max_grad_norm: float = 10.0
    weight_backup: bool = False  # occasional updates change a copy that the next regular update discards (Alg. 1)
    online_optimizer: Literal["sgd", "rls_sgd"] = "sgd"  # of the first frame and of regular updates
    rls_delta: float = 5e-4  # regularizer: P starts at I / delta
    rls_beta: float = 1.0  # forgetting factor
    rls_weight_decay_mode: Literal["authors", "paper"] = "authors"  # "paper": P multiplies the weight decay, too
    rls_estimator: Literal["auto", "low_rank", "dense"] = "auto"  # "auto": low-rank for fc4, dense for the small layers
    rls_max_rank: int | None = 256
