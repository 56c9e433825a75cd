"""DiMP networks (Bhat et al., ICCV 2019) and PrDiMP's (CVPR 2020): backbone, target classifier, box regressor."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ltr.models.backbone.base import Backbone
from ltr.models.bbreg.atom_iou_net import AtomIoUNet
from ltr.models.target_classifier.features import residual_basic_block, residual_bottleneck
from ltr.models.target_classifier.initializer import FilterInitializerLinear, FilterInitializerZero
from ltr.models.target_classifier.linear_filter import LinearFilter
from ltr.models.target_classifier.optimizer import DiMPSteepestDescentGN, PrDiMPSteepestDescentNewton, SteepestDescent
from ltr.models.tracking.settings import DiMPSettings, NetworkSettings, PrDiMPSettings, settings_of

Features = dict[str, Tensor]


class DiMPnet(nn.Module):
    """The network of the DiMP trackers; `bb_regressor` is None where boxes are not refined."""

    def __init__(
        self,
        feature_extractor: Backbone,
        classifier: LinearFilter,
        bb_regressor: AtomIoUNet | None,
        classification_layer: str = "layer3",
        bb_regressor_layer: Sequence[str] = ("layer2", "layer3"),
    ) -> None:
        super().__init__()
        self.feature_extractor = feature_extractor
        self.classifier = classifier
        self.bb_regressor = bb_regressor
        self.classification_layer = classification_layer
        self.bb_regressor_layer = tuple(bb_regressor_layer)

    @property
    def output_layers(self) -> tuple[str, ...]:
        """Backbone layers that the heads need."""
        layers = (*self.bb_regressor_layer, self.classification_layer)
        return tuple(sorted(set(layers if self.bb_regressor is not None else layers[-1:])))

    @property
    def image_mean(self) -> tuple[float, float, float]:
        return self.feature_extractor.image_mean

    @property
    def image_std(self) -> tuple[float, float, float]:
        return self.feature_extractor.image_std

    def extract_backbone_features(self, im: Tensor, layers: Sequence[str] | None = None) -> Features:
        """Feature maps of normalized images (N, 3, H, W) by name; `layers` defaults to those the heads need."""
        return self.feature_extractor(im, self.output_layers if layers is None else layers)

    def extract_classification_feat(self, backbone_feat: Features) -> Tensor:
        """Features (N, C, H, W) that the target filter sees."""
        return self.classifier.extract_classification_feat(self.get_backbone_clf_feat(backbone_feat))

    def get_backbone_clf_feat(self, backbone_feat: Features) -> Tensor:
        """The classifier's backbone layer."""
        return backbone_feat[self.classification_layer]

    def get_backbone_bbreg_feat(self, backbone_feat: Features) -> list[Tensor]:
        """The backbone layers of the IoU predictor."""
        return [backbone_feat[layer] for layer in self.bb_regressor_layer]

    def forward(
        self,
        train_imgs: Tensor,  # (I, S, 3, H, W): I images of each of S sequences
        test_imgs: Tensor,  # (J, S, 3, H, W)
        train_bb: Tensor,  # (I, S, 4) target boxes xywh in crop pixels
        test_proposals: Tensor | None = None,  # (J, S, n, 4)
    ) -> tuple[list[Tensor], Tensor | None]:
        """Training pass: scores (J, S, H', W') per filter iterate, and the IoU (J, S, n) of the proposals."""
        train, test = (self.extract_sequence_features(images) for images in (train_imgs, test_imgs))
        return self.forward_features(train, test, train_bb, test_proposals)

    def extract_sequence_features(self, images: Tensor) -> Features:  # (I, S, 3, H, W), normalized
        """Backbone features (I, S, C, h, w) of I images of each of S sequences, by layer."""
        features = self.extract_backbone_features(images.flatten(0, 1))
        return {name: feat.unflatten(0, images.shape[:2]) for name, feat in features.items()}

    def forward_features(
        self,
        train_feat: Features,  # (I, S, C, h, w) of each layer that the heads need
        test_feat: Features,  # (J, S, C, h, w)
        train_bb: Tensor,  # (I, S, 4)
        test_proposals: Tensor | None = None,  # (J, S, n, 4)
    ) -> tuple[list[Tensor], Tensor | None]:
        """The training pass behind the backbone."""
        clf_train, clf_test = (self.get_backbone_clf_feat(feat) for feat in (train_feat, test_feat))
        scores = self.classifier(clf_train, clf_test, train_bb)
        if self.bb_regressor is None or test_proposals is None:
            return scores, None
        reference = [feat[0] for feat in self.get_backbone_bbreg_feat(train_feat)]
        iou = self.bb_regressor(reference, self.get_backbone_bbreg_feat(test_feat), train_bb[0], test_proposals)
        return scores, iou


def dimpnet18(**settings: Any) -> DiMPnet:
    """DiMP-18; keywords: fields of `DiMPSettings`.

    Raises:
        TypeError: a keyword is unknown.
        ValueError: a value is of no use or not supported.
    """
    s = settings_of(DiMPSettings, settings)
    return _on_resnet18(s, _dimp_optimizer(s))


def dimpnet50(**settings: Any) -> DiMPnet:
    """DiMP-50 and SuperDiMP; keywords: fields of `DiMPSettings`, with other defaults of `_RESNET50_DEFAULTS`.

    Raises:
        TypeError: a keyword is unknown.
        ValueError: a value is of no use or not supported.
    """
    s = settings_of(DiMPSettings, settings, **_RESNET50_DEFAULTS)
    return _on_resnet50(s, _dimp_optimizer(s))


def klcedimpnet18(**settings: Any) -> DiMPnet:
    """PrDiMP-18; keywords: fields of `PrDiMPSettings`.

    Raises:
        TypeError: a keyword is unknown.
        ValueError: a value is of no use or not supported.
    """
    s = settings_of(PrDiMPSettings, settings)
    return _start_as_prdimp(_on_resnet18(s, _prdimp_optimizer(s)), s)


def klcedimpnet50(**settings: Any) -> DiMPnet:
    """PrDiMP-50; keywords: fields of `PrDiMPSettings`, with other defaults of `_RESNET50_DEFAULTS`.

    Raises:
        TypeError: a keyword is unknown.
        ValueError: a value is of no use or not supported.
    """
    s = settings_of(PrDiMPSettings, settings, **_RESNET50_DEFAULTS)
    return _start_as_prdimp(_on_resnet50(s, _prdimp_optimizer(s)), s)


_RESNET50_DEFAULTS = {"clf_feat_blocks": 0, "out_feature_dim": 512}
_LITE0_DEFAULTS = {
    "backbone_pretrained": True,  # the weights come with an installed package
    "clf_feat_blocks": 0,
    "final_conv": False,
    "out_feature_dim": 112,
    "filter_init": "zero",
    "bb_regressor": False,
}


def dimpnet_lite0(**settings: Any) -> DiMPnet:
    """DiMP on EfficientNet-Lite0, usable without training; keywords: fields of `DiMPSettings`.

    By default the backbone has its ImageNet weights, the filter sees its normalized `layer3` and starts at zero, the
    optimizer has DiMP's initial maps, and boxes are not refined.

    Raises:
        TypeError: a keyword is unknown.
        ValueError: a value is of no use or not supported.
    """
    s = settings_of(DiMPSettings, settings, **_LITE0_DEFAULTS)
    return _on_lite0(s, _dimp_optimizer(s))


def klcedimpnet_lite0(**settings: Any) -> DiMPnet:
    """PrDiMP on EfficientNet-Lite0: `dimpnet_lite0` with PrDiMP's optimizer; keywords: fields of `PrDiMPSettings`.

    Raises:
        TypeError: a keyword is unknown.
        ValueError: a value is of no use or not supported.
    """
    s = settings_of(PrDiMPSettings, settings, **_LITE0_DEFAULTS)
    return _start_as_prdimp(_on_lite0(s, _prdimp_optimizer(s)), s)


def _on_resnet18(s: NetworkSettings, optimizer: SteepestDescent) -> DiMPnet:
    from ltr.models.backbone.resnet import resnet18

    backbone = resnet18(pretrained=s.backbone_pretrained)
    return _dimpnet(backbone, (128, 256), residual_basic_block(256, **_feature_settings(s)), optimizer, s)


def _on_resnet50(s: NetworkSettings, optimizer: SteepestDescent) -> DiMPnet:
    from ltr.models.backbone.resnet import resnet50

    backbone = resnet50(pretrained=s.backbone_pretrained)
    return _dimpnet(backbone, (512, 1024), residual_bottleneck(256, **_feature_settings(s)), optimizer, s)


def _on_lite0(s: NetworkSettings, optimizer: SteepestDescent) -> DiMPnet:
    from ltr.models.backbone.efficientnet_lite import efficientnet_lite0

    backbone = efficientnet_lite0(pretrained=s.backbone_pretrained)
    return _dimpnet(backbone, (40, 112), residual_basic_block(112, **_feature_settings(s)), optimizer, s)


def _feature_settings(s: NetworkSettings) -> dict[str, Any]:
    return {
        "num_blocks": s.clf_feat_blocks,
        "l2norm": s.clf_feat_norm,
        "final_conv": s.final_conv,
        "norm_scale": (1 / (s.out_feature_dim * s.filter_size**2)) ** 0.5,  # scores of a unit filter are of order 1
        "out_dim": s.out_feature_dim,
    }


def _dimp_optimizer(s: DiMPSettings) -> DiMPSteepestDescentGN:
    return DiMPSteepestDescentGN(
        num_iter=s.optim_iter,
        init_step_length=s.optim_init_step,
        init_filter_reg=s.optim_init_reg,
        init_gauss_sigma=s.init_gauss_sigma,
        num_dist_bins=s.num_dist_bins,
        bin_displacement=s.bin_displacement,
        mask_init_factor=s.mask_init_factor,
        score_act=s.score_act,
        mask_act=s.target_mask_act,
    )


def _prdimp_optimizer(s: PrDiMPSettings) -> PrDiMPSteepestDescentNewton:
    return PrDiMPSteepestDescentNewton(
        num_iter=s.optim_iter,
        init_step_length=s.optim_init_step,
        init_filter_reg=s.optim_init_reg,
        gauss_sigma=s.gauss_sigma,
        min_filter_reg=s.optim_min_reg,
        alpha_eps=s.alpha_eps,
        init_uni_weight=s.init_uni_weight,
        normalize_label=s.normalize_label,
        label_shrink=s.label_shrink,
        softmax_reg=s.softmax_reg,
        label_threshold=s.label_threshold,
    )


def _dimpnet(
    backbone: Backbone,
    iou_dims: tuple[int, int],
    features: nn.Module,
    optimizer: SteepestDescent,
    s: NetworkSettings,
) -> DiMPnet:
    backbone.freeze(s.frozen_backbone_layers)
    initializer: nn.Module = (
        FilterInitializerLinear(s.filter_size, s.out_feature_dim)
        if s.filter_init == "linear"
        else FilterInitializerZero(s.filter_size)
    )
    return DiMPnet(
        backbone,
        LinearFilter(s.filter_size, initializer, optimizer, features),
        AtomIoUNet(iou_dims, s.iou_input_dim, s.iou_inter_dim, s.iou_hidden_dim) if s.bb_regressor else None,
    )


def _start_as_prdimp(net: DiMPnet, s: PrDiMPSettings) -> DiMPnet:
    """What a training of PrDiMP starts from."""
    if not s.train_feature_extractor:
        net.feature_extractor.freeze("all")
    initializer = net.classifier.filter_initializer
    if s.init_initializer == "zero" and isinstance(initializer, FilterInitializerLinear):
        nn.init.zeros_(initializer.filter_conv.weight)
    return net
