"""What the parameter files of the DiMP family share."""

from typing import Any

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.dimp.params import DiMPParams

LONG_TERM_STEP = 3e-3  # eta for LaSOT, OxUvA and TLP (Section 5.2); the same for BGD and RLS
SHORT_TERM_STEP = 3e-2  # for TrackingNet and GOT-10k
VOT_STEP = 6e-2  # authors' code, for the VOT challenges

# The lite features are not those of DiMP-50, so each method has its own step, by measurement (docs/choices.md).
LITE_BGD_STEP = 1e-1
LITE_RLS_STEP = 3e-2
UNTRAINED_BGD_STEP = 3e-1
UNTRAINED_RLS_STEP = 3e-2

# PrDiMP's effective weights, z (1 - z) of a softmax, sum to at most 1 for a sample, those of DiMP's loss to about 30.
# With a delta that is as much smaller P is as much larger, so that the step lengths of RLS above hold for PrDiMP, too;
# those of BGD, which has no P, are as much larger (docs/rls_theory.md).
KL_WEIGHT = 1 / 30

EMA_SLOW, EMA_MEDIUM, EMA_FAST = 0.01, 0.5, 0.99  # alpha of the moving-average baselines sm, mm and fm


def dimp18() -> DiMPParams:
    return DiMPParams(net=NetWithBackbone(net_path="dimp18.pth", constructor="dimpnet18"))


def dimp50() -> DiMPParams:
    return DiMPParams(net=NetWithBackbone(net_path="dimp50.pth", constructor="dimpnet50"))


def dimp50_got10k() -> DiMPParams:
    """DiMP-50 trained on the training split of GOT-10k alone, as its protocol asks."""
    return DiMPParams(net=NetWithBackbone(net_path="dimp50_got10k.pth.tar", constructor="dimpnet50"))


def super_dimp() -> DiMPParams:
    return _large_crops(DiMPParams(net=NetWithBackbone(net_path="super_dimp.pth.tar", constructor="dimpnet50")))


def prdimp18() -> DiMPParams:
    return _log_density(_softmax(NetWithBackbone(net_path="prdimp18.pth.tar", constructor="klcedimpnet18")))


def prdimp50() -> DiMPParams:
    return _large_crops(_softmax(_prdimp50_network()))


def prdimp50_vot18() -> DiMPParams:
    """Settings for VOT2018: a filter that learns in every frame, from scores and not from probabilities."""
    return _log_density(vot18(DiMPParams(net=_prdimp50_network()))).replace(
        learning_rate=0.01,
        train_skipping=1,
        net_opt_update_iter=1,
        net_opt_hn_iter=1,
        distractor_threshold=99999.0,  # no second peak counts
        hard_negative_threshold=999999.0,
    )


def _prdimp50_network() -> NetWithBackbone:
    return NetWithBackbone(net_path="prdimp50.pth.tar", constructor="klcedimpnet50")


def _softmax(net: NetWithBackbone) -> DiMPParams:
    """Scores as PrDiMP's tracker sees them: the probabilities of a softmax over the map, and thresholds of these."""
    return DiMPParams(net=net, score_preprocess="softmax", target_not_found_threshold=0.04)


def _log_density(base: DiMPParams) -> DiMPParams:
    """Boxes by ascent on the log-density that the regressors of SuperDiMP and PrDiMP give, in their parametrization."""
    return base.replace(box_refinement_space="relative", box_refinement_iter=10, box_refinement_step_length=2.5e-3)


def _large_crops(base: DiMPParams) -> DiMPParams:
    """Search area and boxes of SuperDiMP and PrDiMP-50."""
    return _log_density(base).replace(**LARGE_CROPS)


LARGE_CROPS: dict[str, Any] = {
    "image_sample_size": 22 * 16,
    "search_area_scale": 6.0,
    "border_mode": "inside_major",
    "patch_max_scale_change": 1.5,
}


def dimp_lite() -> DiMPParams:
    """DiMP on the embedded EfficientNet-Lite0 with the heads of `ltr/weights`; boxes by ridge regression."""
    return ridge_boxes(_dimp_lite0()).replace(box_trust_score=0.5)


def dimp_lite_iounet() -> DiMPParams:
    """The same with the boxes of the IoU-Net, which follow changes of the aspect ratio."""
    return _dimp_lite0().replace(
        iounet_adaptation=0.03,  # a small IoU-Net, trained on few videos, knows objects but not which part is meant
        # Careful steps: shorter ascents from closer boxes, and only part of the way where the classifier is in doubt.
        box_refinement_iter=3,
        box_jitter_pos=0.05,
        box_jitter_sz=0.25,
        box_trust_score=1.0,
    )


def superdimp_lite() -> DiMPParams:
    """Search area, crops and parametrization of SuperDiMP on the lite model, whose IoU-Net predicts an overlap."""
    # The overlap's gradient is some hundredth of a log-density's. This step is the lite model's in the default space,
    # of one pixel per unit of gradient and of side, for a target of 352 / 6 pixels.
    return dimp_lite_iounet().replace(
        **LARGE_CROPS, box_refinement_space="relative", box_refinement_step_length=6 / (22 * 16)
    )


def prdimp_lite() -> DiMPParams:
    """PrDiMP's loss, with nothing of it learnt, on the features and the boxes of the lite model."""
    return dimp_lite().replace(
        net=NetWithBackbone(
            net_path="dimp_lite0.safetensors",
            constructor_fun_name="klcedimpnet_lite0",
            untrained=("classifier.filter_optimizer",),
        ),
        filter_init_zero=True,  # as PrDiMP's training begins; the initializer of the lite heads knows DiMP's loss
        score_preprocess="softmax",
        target_not_found_threshold=0.02,  # half of PrDiMP's, as that of `dimp_lite` is below DiMP's
        box_trust_score=0.1,  # half of the label density's peak, 1 / (2 pi 0.9^2), as .5 is of DiMP's label
    )


def _dimp_lite0() -> DiMPParams:
    return DiMPParams(
        net=NetWithBackbone(net_path="dimp_lite0.safetensors"),
        patch_resize="opencv",
        search_area_scale=3.5,  # more cells on the target than with 5, which features this coarse need
        target_not_found_threshold=0.1,  # low scores of a changed target count more than false alarms
    )


def ridge_boxes(base: DiMPParams) -> DiMPParams:
    """Boxes by a ridge regression that is fitted to the first frame: nothing is trained offline."""
    return base.replace(
        box_estimator="ridge",
        scale_factors=[1.0],
        alternate_scales=False,
        scale_update_rate=0.3,  # a regressor that follows every frame drifts away with its own errors
    )


def dimp_lite_untrained() -> DiMPParams:
    """DiMP on the embedded EfficientNet-Lite0 with nothing learnt beyond ImageNet: no IoU-Net, scales are searched."""
    return DiMPParams(
        net=NetWithBackbone(architecture="dimpnet_lite0"),
        use_iou_net=False,
        search_area_scale=3.5,  # more cells on the target than with 5, which features this coarse need
        scale_factors=[0.97, 1.0, 1.03],
        alternate_scales=True,  # two crops a frame instead of three
        target_not_found_threshold=0.1,  # the untrained maps give lower scores
    )


def vot18(base: DiMPParams) -> DiMPParams:
    """Settings of DiMP-18 and DiMP-50 for VOT2018."""
    return base.replace(
        image_sample_size=14 * 16,
        search_area_scale=4.0,
        sample_memory_size=250,
        learning_rate=0.0075,
        init_samples_minimum_weight=0.0,
        train_skipping=10,
        net_opt_iter=25,
        net_opt_update_iter=3,
        net_opt_hn_iter=3,
        window_output=True,
        perform_hn_without_windowing=True,
        augmentation={
            "fliplr": True,
            "rotate": [5, -5, 10, -10, 20, -20, 30, -30, 45, -45, -60, 60],
            "blur": [(2, 0.2), (0.2, 2), (3, 1), (1, 3), (2, 2)],
            "relativeshift": [(0.6, 0.6), (-0.6, 0.6), (0.6, -0.6), (-0.6, -0.6)],
            "dropout": (7, 0.2),
        },
        target_not_found_threshold=0.0,
        distractor_threshold=100.0,
        hard_negative_threshold=0.45,
        displacement_scale=0.7,
    )


def vot19(base: DiMPParams) -> DiMPParams:
    """Settings of DiMP-50 for VOT2019."""
    return vot18(base).replace(
        image_sample_size=16 * 16,
        search_area_scale=4.5,
        sample_memory_size=100,
        net_opt_iter=15,
        net_opt_update_iter=2,
        net_opt_hn_iter=2,
        augmentation={
            "fliplr": True,
            "rotate": [-5, 10, -30, 60],
            "blur": [(2, 0.2), (1, 3)],
            "relativeshift": [(0.6, 0.6), (-0.6, -0.6)],
            "dropout": (3, 0.2),
        },
        augmentation_expansion_factor=1.4,
        box_refinement_iter=3,
    )


def star(base: DiMPParams) -> DiMPParams:
    """DiMP*: steepest descent with the number of iterations that BGD and RLS run."""
    return base.replace(net_opt_update_iter=5)


def bgd(base: DiMPParams, step_length: float, ema_coefficient: float = 1.0) -> DiMPParams:
    """BGD-DiMP: online gradient descent with a fixed step length, optionally with a moving average."""
    return base.replace(
        net_opt_update_iter=5, online_optimizer="bgd", online_step_length=step_length, ema_coefficient=ema_coefficient
    )


def rls(base: DiMPParams, step_length: float, **changes: Any) -> DiMPParams:
    """RLS-DiMP: gradient descent preconditioned by the inverse correlation matrix (Eq. 41), delta 0.1, beta 1."""
    return base.replace(net_opt_update_iter=5, online_optimizer="rls_bgd", online_step_length=step_length, **changes)


def rls_sd(base: DiMPParams) -> DiMPParams:
    """RLS-DiMP with the Gauss-Newton step length along the gradient times P: there is no step length to choose."""
    return base.replace(net_opt_update_iter=5, online_optimizer="rls_sd")


def kl_bgd(base: DiMPParams, step_length: float, ema_coefficient: float = 1.0) -> DiMPParams:
    """`bgd` for PrDiMP's loss, with the step length for DiMP's."""
    return bgd(base, step_length / KL_WEIGHT, ema_coefficient)


def kl_rls(base: DiMPParams, step_length: float) -> DiMPParams:
    """`rls` for PrDiMP's loss, with the step length for DiMP's."""
    return rls(base, step_length, rls_delta=0.1 * KL_WEIGHT)


def kl_rls_sd(base: DiMPParams) -> DiMPParams:
    """`rls_sd` for PrDiMP's loss."""
    return rls_sd(base).replace(rls_delta=0.1 * KL_WEIGHT)


def long_term(base: DiMPParams) -> DiMPParams:
    """Re-detection of a target that went away."""
    return base.replace(redetection=True)


def lite_long_term(base: DiMPParams) -> DiMPParams:
    """Re-detection, and a presence score that is a probability; the map is that of `benchmarks/long_term fit`."""
    return long_term(base).replace(presence_map=(-3.6, 0.14, 5.57), presence_threshold=0.19)
