"""Parameters of the DiMP tracker family; the defaults are those of DiMP-50 in pytracking."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ltr.common.errors import InputError
from pytracking.features.net_wrappers import NetWithBackbone, NetworkDtype
from pytracking.tracker.dimp.online_optimizers import OnlineOptimizerParams
from pytracking.tracker.dimp.redetection import RedetectionParams
from pytracking.utils.params import (
    AtLeastOne,
    Count,
    NonNegative,
    Positive,
    PositiveInt,
    Share,
)

Augmentation = dict[str, Any]


def default_augmentation() -> Augmentation:
    """Twelve transforms and two dropout samples beside the plain first frame: 15 initial samples."""
    return {
        "fliplr": True,
        "rotate": [10, -10, 45, -45],  # degrees
        "blur": [(3, 1), (1, 3), (2, 2)],  # Gaussian sigma y, x in pixels
        "relativeshift": [(0.6, 0.6), (-0.6, 0.6), (0.6, -0.6), (-0.6, -0.6)],  # y, x in half crops
        "dropout": (2, 0.2),  # samples, probability
    }


@dataclass(kw_only=True)
class DiMPParams(OnlineOptimizerParams, RedetectionParams):
    """A parameter file says what differs from these; names are pytracking's."""

    # Network
    net: NetWithBackbone | None = None  # its file or embedded architecture; it is loaded when the first tracker starts
    # Of its convolutions; float32 is IEEE float32 on a GPU, too. tf32 and float16 are a GPU's, see docs/performance.md.
    network_dtype: NetworkDtype = "float32"
    network_form: Literal["fast", "plain"] = "fast"  # "plain": eager PyTorch, see `ltr.inference.prepare`
    filter_reg: NonNegative | None = None  # replaces the network's learnt filter regularization
    softmax_reg: float | None = None  # replaces that of PrDiMP's loss: score of one more cell, for no target
    label_threshold: NonNegative | None = None  # replaces that of PrDiMP's loss: lower values of the label become 0
    label_shrink: Share | None = None  # replaces that of PrDiMP's loss: part of the label's sum that is taken away
    filter_init_zero: bool = False  # start the filter at zero instead of the network's initializer

    # Search area
    # Side (or h, w) of the crop given to the network, pixels
    image_sample_size: PositiveInt | tuple[PositiveInt, PositiveInt] = 18 * 16
    search_area_scale: Positive = 5.0  # side of the search area in sqrt(target area)
    use_image_aspect_ratio: bool = False  # search area with the image's aspect ratio instead of a square
    feature_stride: PositiveInt = 32  # the crop's sides are multiples of it, only with use_image_aspect_ratio
    # "replicate": repeat the border of the image; "inside", "inside_major": shrink and shift the crop into it
    border_mode: Literal["replicate", "inside", "inside_major"] = "replicate"
    patch_max_scale_change: AtLeastOne | None = None  # how much the crop may shrink with border_mode inside*
    patch_resize: Literal["torch", "opencv"] = "torch"  # "opencv" is faster on a CPU, see `crop_around`
    target_inside_ratio: Share = 0.2  # this part of the target stays inside the image
    scale_factors: list[Positive] = field(default_factory=lambda: [1.0])  # scales searched in each frame
    alternate_scales: bool = False  # search scale 1 and one of the others in each frame, in turn
    scale_penalty: NonNegative = 1.0  # factor on the scores of scales other than 1
    scale_update_rate: NonNegative = 1.0  # part of a found change of scale (in log) that is taken over

    # First frame
    use_augmentation: bool = True  # learn from transformed copies of the first frame, too
    # The transforms, see `default_augmentation`
    augmentation: Augmentation = field(default_factory=default_augmentation)
    augmentation_expansion_factor: AtLeastOne = 2.0  # the patch to be transformed, in crops
    random_shift_factor: NonNegative = 1 / 3  # range of the random shifts, in crops
    net_opt_iter: Count = 10  # steepest-descent iterations

    # Sample memory
    sample_memory_size: PositiveInt = 50  # samples at most
    learning_rate: Share = 0.01  # weight of a new sample
    hard_negative_learning_rate: Share | None = 0.02  # weight of a hard negative; None: no update on them
    init_samples_minimum_weight: Share | None = 0.25  # floor of the first frame's total weight; None or 0: no floor
    train_sample_interval: PositiveInt = 1  # frames between stored samples

    # Online learning
    update_classifier: bool = True  # False: the filter stays as the first frame made it
    train_skipping: PositiveInt = 20  # frames between scheduled updates
    net_opt_hn_iter: Count = 1  # iterations on a hard negative
    low_score_opt_threshold: float | None = None  # below this score net_opt_low_iter iterations are run
    net_opt_low_iter: Count = 0  # iterations then

    # Localization
    use_classifier: bool = True  # False: the scores do not move the box, only its refinement does
    window_output: bool = False  # Hann window on the scores; takes effect with perform_hn_without_windowing alone
    perform_hn_without_windowing: bool = False  # look for distractors in the unwindowed scores
    use_clipped_window: bool = False  # the window is as wide as effective_search_area, its edge is continued
    effective_search_area: Positive | None = None  # width of the clipped window in sqrt(target area)
    # Function of the scores before the target is localized; softmax: probabilities, and thresholds are on these
    score_preprocess: Literal["none", "exp", "softmax"] = "none"
    score_filter_ksz: PositiveInt = 1  # box filter over the scores, cells
    advanced_localization: bool = True  # False: the highest score wins, without flags
    target_not_found_threshold: float = 0.25  # a highest score below: flag not_found, the target stays
    uncertain_threshold: float = -float("inf")  # below: flag uncertain, nothing is learnt
    hard_sample_threshold: float = -float("inf")  # below: flag hard_negative
    distractor_threshold: float = 0.8  # of the second peak, relative to the first
    hard_negative_threshold: float = 0.5  # a second peak above, relative to the first: flag hard_negative
    target_neighborhood_scale: NonNegative = 2.2  # masked area around the first peak, in target sizes
    displacement_scale: NonNegative = 0.8  # distance limit of distractors, in half score maps
    update_scale_when_uncertain: bool = True  # take the scale over in uncertain frames, too
    output_not_found_box: bool = False  # report [-1, -1, -1, -1] while the target is not found

    # Boxes. Without a choice the IoU-Net estimates them if use_iou_net is on and the network has one, else the scales.
    box_estimator: Literal["iou_net", "scales", "ridge"] | None = None  # of the size of the target, see above
    use_iou_net: bool = True  # False: the IoU-Net is left alone

    # Ridge regression on the first frame
    ridge_alpha: Positive = 100.0  # penalty
    ridge_cells: dict[str, PositiveInt] = field(default_factory=lambda: {"layer2": 7, "layer3": 5})  # a side, by layer
    ridge_context: Positive = 1.4  # side of the pooled region in sides of the box
    ridge_samples: PositiveInt = 60  # boxes drawn in each crop of the first frame
    ridge_translation: NonNegative = 0.15  # of these boxes, in the mean of width and height
    ridge_scale: AtLeastOne = 1.2  # largest factor on their size
    ridge_aspect: AtLeastOne = 1.1  # and on their aspect ratio, half on each side
    ridge_keep_aspect: bool = True  # the target keeps the aspect ratio of its first box

    # Box refinement by the IoU-Net
    iounet_augmentation: bool = False  # modulation from all initial samples before the first scaled or rotated one
    # Stiffness of the fit of its last layer to the first frame, for one that predicts overlaps; None: no fit
    iounet_adaptation: NonNegative | None = None
    iounet_k: PositiveInt = 3  # the best boxes that are averaged
    num_init_random_boxes: Count = 9  # beside the box itself
    box_jitter_pos: NonNegative = 0.1  # in sqrt(box area)
    box_jitter_sz: NonNegative = 0.5  # relative to the size
    maximal_aspect_ratio: AtLeastOne = 6.0  # of refined boxes; others are left out of the mean
    box_refinement_iter: Count = 5  # gradient steps on the predicted IoU
    # Of these; two numbers: for position and size
    box_refinement_step_length: NonNegative | tuple[NonNegative, NonNegative] = 1.0
    box_refinement_step_decay: NonNegative = 1.0  # factor on it after each step
    # "relative": steps on center over size and log size, as in PrDiMP
    box_refinement_space: Literal["default", "relative"] = "default"
    use_iounet_pos_for_learning: bool = True  # learn from the refined position; the target goes there either way
    box_trust_score: Positive | None = None  # below this score only a part of a refined or regressed box is taken over

    vot_anno_conversion_type: Literal["preserve_area", "union"] = "preserve_area"  # for scripts; trackers do not ask

    renamed: ClassVar[dict[str, str]] = {"dispalcement_scale": "displacement_scale"}
    # Set by pytracking's files: read by no code, or only by other trackers.
    without_effect: ClassVar[frozenset[str]] = frozenset(
        {"visualization", "iounet_use_log_scale", "feature_size_odd", "output_keys"}
    )

    def validate(self) -> None:
        super().validate()
        if self.use_clipped_window and self.effective_search_area is None:
            raise InputError("expected effective_search_area with use_clipped_window, found None")

    def choose_box_estimator(self, has_iou_net: bool) -> str:
        """The box estimator for a network; raises ValueError where it lacks the IoU-Net that is asked for."""
        if self.box_estimator is None:
            return "iou_net" if self.use_iou_net and has_iou_net else "scales"
        if self.box_estimator == "iou_net" and not has_iou_net:
            raise ValueError("box_estimator is 'iou_net', but the network has no IoU-Net; choose 'scales' or 'ridge'")
        return self.box_estimator

    def _set_legacy(self, name: str, value: Any) -> None:
        if name == "use_gpu":
            if not value:
                self.device = self.device or "cpu"
        elif name == "device":
            self.device = None if value is None else str(value)
        elif name == "scale_factors" and not isinstance(value, (list, tuple)):
            self.scale_factors = [float(factor) for factor in value]
        else:
            setattr(self, name, value)
