"""Parameters of the RT-MDNet tracker family; the defaults are those of RT-MDNet."""

from dataclasses import dataclass, field
from typing import Literal

from ltr.data.sampling_options import Range, Sampling, gaussian, uniform
from pytracking.features.net_wrappers import NetWithBackbone, NetworkDtype
from pytracking.utils.params import (
    AtLeastOne,
    Count,
    NonNegative,
    Positive,
    PositiveInt,
    PositiveShare,
    Share,
    TypedParams,
)

__all__ = ["RTMDNetParams", "Range", "Sampling", "gaussian", "uniform"]


@dataclass(kw_only=True)
class RTMDNetParams(TypedParams):
    """A parameter file says what differs from these."""

    # Network
    net: NetWithBackbone | None = None  # its file or embedded architecture; it is loaded when the first tracker starts
    # Of its convolutions; float32 is IEEE float32 on a GPU, too. tf32 and float16 are a GPU's, see docs/performance.md.
    network_dtype: NetworkDtype = "float32"
    network_form: Literal["fast", "plain"] = "fast"  # "plain": eager PyTorch, see `ltr.inference.prepare`

    # First frame
    init_positives: PositiveInt = 500  # samples around the first box
    init_negatives: PositiveInt = 5000  # and away from it
    # Distribution of these boxes: spread of position and size, range of the IoU with the target
    init_positive_sampling: Sampling = field(default_factory=lambda: gaussian(0.1, 1.2, (0.7, 1.0)))
    # The same of the negatives
    init_negative_sampling: Sampling = field(default_factory=lambda: uniform(1.0, 2.0, 1.1, (0.0, 0.5)))
    init_iterations: Count = 50  # steps of the first fine-tuning
    init_learning_rate: NonNegative = 1e-4  # of fc4 and fc5
    scene_shift: float = 4.0  # image pixels by which two of the first frame's scenes are moved, left and up
    scene_scales: list[Positive] = field(default_factory=lambda: [1 / 1.1, 1.1, 1.1**-2, 1.1**2])  # of further scenes
    extra_crops: Count = 100  # crops of the target, jittered in position and scale
    extra_crop_size: Positive = 1.8  # in target sizes
    # Positives, negatives, boxes for regression, of each crop
    extra_crop_samples: tuple[PositiveInt, PositiveInt, Count] = (5, 12, 2)
    # Distribution of the negatives of these crops
    extra_negative_sampling: Sampling = field(default_factory=lambda: uniform(0.3, 2.0, 1.1, (0.0, 0.5)))

    # Box regression
    bbox_regression: bool = True  # correct boxes by a ridge regression that is fitted to the first frame
    regression_samples: PositiveInt = 1000  # boxes around the first one that it is fitted to
    # Their distribution; the last range is of the area relative to the target's
    regression_sampling: Sampling = field(default_factory=lambda: uniform(0.3, 1.5, 1.1, (0.6, 1.0), (1.0, 2.0)))
    regression_alpha: Positive = 1000.0  # penalty of the ridge regression
    regression_overlap: Range = (0.6, 1.0)  # a regressed box is used if its IoU with the sample is in this range
    regression_area: Range = (1.0, 2.0)  # and so is the area of the sample relative to its own

    # Localization
    num_candidates: PositiveInt = 256  # boxes that are scored in a frame
    candidate_translation: NonNegative = 0.6  # standard deviation of their centers, in mean sides of the target
    candidate_translation_lost: NonNegative = 1.4  # after a frame in which the target was not found
    candidate_scale: AtLeastOne = 1.05  # base of their sizes, whose exponents are normal
    num_best: PositiveInt = 5  # candidates whose mean is the target
    success_threshold: float = 0.0  # of their mean score
    output_not_found_box: bool = False  # report [-1, -1, -1, -1] while the target is not found

    # Sample memory
    update_positives: Count = 50  # of a frame
    update_negatives: Count = 200  # of a frame
    # Distribution of the positives of a frame
    update_positive_sampling: Sampling = field(default_factory=lambda: gaussian(0.1, 1.2, (0.7, 1.0)))
    # And of its negatives
    update_negative_sampling: Sampling = field(default_factory=lambda: uniform(1.5, 1.2, None, (0.0, 0.3)))
    short_term_frames: PositiveInt = 20  # frames whose negatives are kept, and that occasional updates learn from
    long_term_frames: PositiveInt = 100  # frames whose positives are kept
    regular_memory: Literal["long", "short"] = "long"  # positives that a regular update learns from

    # Online learning
    update_interval: PositiveInt = 10  # frames between regular updates
    update_iterations: Count = 15  # steps of an update
    update_learning_rate: NonNegative = 3e-4  # of fc4 and fc5
    fc6_learning_rate_factor: NonNegative = 10.0  # on the rate of fc6
    batch_positives: PositiveInt = 32  # of a step
    batch_negatives: PositiveInt = 96  # of a step
    batch_negative_candidates: PositiveInt = 1024  # among which the hardest are used
    momentum: Share = 0.9  # of SGD
    weight_decay: NonNegative = 5e-4  # of SGD
    max_grad_norm: Positive = 10.0  # limit that the gradient is scaled down to
    weight_backup: bool = False  # occasional updates change a copy that the next regular update discards (Alg. 1)
    online_optimizer: Literal["sgd", "rls_sgd"] = "sgd"  # of the first frame and of regular updates
    rls_delta: Positive = 5e-4  # regularizer: P starts at I / delta
    rls_beta: PositiveShare = 1.0  # forgetting factor
    rls_weight_decay_mode: Literal["authors", "paper"] = "authors"  # "paper": P multiplies the weight decay, too
    rls_estimator: Literal["auto", "low_rank", "dense"] = "auto"  # "auto": low-rank for fc4, dense for the small layers
    rls_max_rank: PositiveInt | None = 256  # columns of a low-rank P; None: no limit
