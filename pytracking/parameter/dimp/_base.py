"""What the parameter files of the DiMP family share."""

from typing import Any

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.dimp.params import DiMPParams

LONG_TERM_STEP = 3e-3  # eta for LaSOT, OxUvA and TLP (Section 5.2); the same for BGD and RLS
SHORT_TERM_STEP = 3e-2  # for TrackingNet and GOT-10k
VOT_STEP = 6e-2  # authors' code, for the VOT challenges

# The lite features are not those of DiMP-50, so each method has its own step, by measurement (docs/results.md).
LITE_BGD_STEP = 1e-1
LITE_RLS_STEP = 3e-2
UNTRAINED_BGD_STEP = 3e-1
UNTRAINED_RLS_STEP = 3e-2

EMA_SLOW, EMA_MEDIUM, EMA_FAST = 0.01, 0.5, 0.99  # alpha of the moving-average baselines sm, mm and fm


def dimp18() -> DiMPParams:
    return DiMPParams(net=NetWithBackbone(net_path="dimp18.pth", constructor="dimpnet18"))


def dimp50() -> DiMPParams:
    return DiMPParams(net=NetWithBackbone(net_path="dimp50.pth", constructor="dimpnet50"))


def dimp50_got10k() -> DiMPParams:
    """DiMP-50 trained on the training split of GOT-10k alone, as its protocol asks."""
    return DiMPParams(net=NetWithBackbone(net_path="dimp50_got10k.pth.tar", constructor="dimpnet50"))


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


def long_term(base: DiMPParams) -> DiMPParams:
    """Re-detection of a target that went away, and a presence score that says whether it is there."""
    return base.replace(redetection=True)
