from collections.abc import Callable

import pytest
import torch
from torch import nn

from ltr.common.errors import InputError
from ltr.inference import prepare
from ltr.models.tracking.dimpnet import DiMPnet, dimpnet50, dimpnet_lite0, klcedimpnet18, klcedimpnet50
from ltr.models.tracking.mdnet import mdnet
from tests.ltr.models.networks import random_statistics


@torch.no_grad()
def test_plain_form_is_a_frozen_copy() -> None:
    network = dimpnet_lite0(backbone_pretrained=False, bb_regressor=True).eval()
    plain = prepare(network, form="plain")
    assert plain.state_dict().keys() == network.state_dict().keys()
    assert not any(parameter.requires_grad for parameter in plain.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    image = torch.randn(1, 3, 64, 64)
    for name, layer in network.extract_backbone_features(image).items():
        assert torch.equal(plain.extract_backbone_features(image)[name], layer)


@torch.no_grad()
def test_forms_predict_the_same_iou() -> None:
    torch.manual_seed(0)
    network = random_statistics(dimpnet_lite0(backbone_pretrained=False, bb_regressor=True))
    box = torch.tensor([[60.0, 50, 40, 50]])
    found = []
    for form in ("plain", "fast"):
        net = prepare(network, form=form)  # type: ignore[arg-type]
        layers = net.get_backbone_bbreg_feat(net.extract_backbone_features(torch.ones(1, 3, 160, 160)))
        found.append(net.bb_regressor.iou_in(net.bb_regressor.get_modulation(layers, box), layers)(box[None]))
    for plain, fast in zip(*found, strict=True):
        # rounding of some dozens of float32 layers, relative to the size of the values
        torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-3 * float(plain.abs().max()))


@torch.no_grad()
@pytest.mark.parametrize("constructor", [klcedimpnet18, klcedimpnet50, dimpnet50])
def test_forms_of_prdimp_and_super_dimp(constructor: Callable[..., DiMPnet]) -> None:
    """Features, a filter that is learnt from them, its scores, and the log-densities of boxes with their gradient."""
    torch.manual_seed(0)
    network = random_statistics(constructor())
    if (convolution := network.classifier.filter_initializer.filter_conv).weight.norm() == 0:
        nn.init.kaiming_normal_(convolution.weight)  # PrDiMP's training starts with zeros
    images, box = torch.randn(2, 3, 112, 112), torch.tensor([[30.0, 40, 40, 30], [45, 35, 36, 36]])
    found = []
    for form in ("plain", "fast"):
        net = prepare(network, form=form)  # type: ignore[arg-type]
        layers = net.extract_backbone_features(images)
        feat = net.extract_classification_feat(layers)
        weights, _, losses = net.classifier.get_filter(feat, box, num_iter=3)
        regressed = net.get_backbone_bbreg_feat({name: layer[1:] for name, layer in layers.items()})
        modulation = net.bb_regressor.get_modulation(
            [layer[:1] for layer in net.get_backbone_bbreg_feat(layers)], box[:1]
        )
        density, gradient = net.bb_regressor.iou_in(modulation, regressed)(box[1:] + torch.tensor([[[0.0], [2.0]]]))
        scores = net.classifier.classify(weights, feat)
        found.append([*layers.values(), feat, weights, torch.stack(losses), scores, density, gradient])
    for plain, fast in zip(*found, strict=True):
        # rounding of some dozens of float32 layers, relative to the size of the values
        torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-3 * float(plain.abs().max()))


@torch.no_grad()
def test_rt_mdnet_convolutions() -> None:
    torch.manual_seed(0)
    network = mdnet(with_fully_connected=False).eval()
    fast, rois = prepare(network), torch.tensor([[0.0, 10, 12, 110, 120]])
    for size in ((107, 131), (150, 120)):  # of scenes, which change from frame to frame
        scene = 50 * torch.randn(1, 3, *size)
        expected = network.extract_roi_features(scene, rois)
        atol = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(fast.extract_roi_features(scene, rois), expected, rtol=0, atol=atol)


def test_what_cannot_be_prepared_is_named() -> None:
    network = dimpnet_lite0(backbone_pretrained=False)
    with pytest.raises(ValueError, match=r"call \.eval\(\) first"):
        prepare(network.train())
    with pytest.raises(ValueError, match="fast or plain, got 'quick'"):
        prepare(network.eval(), form="quick")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="float32 for the plain form"):
        prepare(network.eval(), dtype="bfloat16", form="plain")
    with pytest.raises(InputError, match="float32 for a EfficientNetLite0"):
        prepare(network.eval().feature_extractor, dtype="bfloat16")
    with pytest.raises(InputError, match="tf32, which 'cpu' lacks; use the dtype float32"):
        prepare(mdnet().eval(), dtype="tf32")
