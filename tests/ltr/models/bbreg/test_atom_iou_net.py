import pytest
import torch

from ltr.inference.folding import fold_batch_norms
from ltr.models.bbreg.atom_iou_net import AtomIoUNet
from tests.ltr.models.networks import IOU_BOXES as BOXES
from tests.ltr.models.networks import iou_features as features
from tests.ltr.models.networks import narrow_iou_net
from tests.shared_data import fill_by_recipe, golden


@pytest.fixture
def network() -> AtomIoUNet:
    return narrow_iou_net()


def test_modulation_before_pooling_is_the_same(network: AtomIoUNet) -> None:
    """Oracle: the modulated map is pooled, as the paper has it."""
    reference, feat = features(1), features(1)
    modulation = network.get_modulation(reference, BOXES[:1, 0])
    assert [tuple(m.shape) for m in modulation] == [(1, 256), (1, 256)]
    iou_feat = network.get_iou_feat(feat)
    modulated = [f * m[:, :, None, None] for f, m in zip(iou_feat, modulation, strict=True)]
    ones = [torch.ones_like(m) for m in modulation]
    iou = network.predict_iou(modulation, iou_feat, BOXES[:1])
    torch.testing.assert_close(iou, network.predict_iou(ones, modulated, BOXES[:1]), rtol=1e-4, atol=1e-5)


def test_calling_shapes_agree(network: AtomIoUNet) -> None:
    modulation, iou_feat = network.get_modulation(features(1), BOXES[0, :1]), network.get_iou_feat(features(1))
    iou = network.predict_iou(modulation, iou_feat, BOXES[:1])
    assert iou.shape == (1, 3)
    assert torch.equal(network.predict_iou(modulation, iou_feat, BOXES[0]), iou[0])
    as_maps = [m[:, :, None, None] for m in modulation]
    assert torch.equal(network.predict_iou(as_maps, iou_feat, BOXES[:1]), iou)


def test_images_of_a_batch_are_independent(network: AtomIoUNet) -> None:
    reference, feat = features(2), features(2)
    modulation, iou_feat = network.get_modulation(reference, BOXES[:, 0]), network.get_iou_feat(feat)
    iou = network.predict_iou(modulation, iou_feat, BOXES)
    for i in range(2):
        own = network.get_modulation([r[i : i + 1] for r in reference], BOXES[i : i + 1, 0])
        alone = network.predict_iou(own, network.get_iou_feat([f[i : i + 1] for f in feat]), BOXES[i])
        torch.testing.assert_close(iou[i], alone, rtol=1e-4, atol=1e-5)
    shared = network.predict_iou([m[:1] for m in modulation], iou_feat, BOXES)  # one target, two images
    torch.testing.assert_close(shared[0], iou[0])


def test_gradient_of_the_boxes(network: AtomIoUNet) -> None:
    network = network.double()
    modulation = network.get_modulation([f.double() for f in features(1)], BOXES[:1, 0].double())
    iou_feat = network.get_iou_feat([f.double() for f in features(1)])
    boxes = (BOXES[:1] + 0.3).double().requires_grad_()
    # 1e-4: ReLUs of the predictor change sides within some of the finite differences
    assert torch.autograd.gradcheck(lambda b: network.predict_iou(modulation, iou_feat, b), boxes, eps=1e-7, atol=1e-4)


@torch.no_grad()
def test_gradient_in_images_is_that_of_the_boxes(network: AtomIoUNet) -> None:
    reference, feat = features(1), features(1)
    modulation = network.get_modulation(reference, BOXES[:1, 0])
    iou, gradient = network.iou_in(modulation, feat)(BOXES[:1])
    with torch.enable_grad():
        variable = BOXES[:1].clone().requires_grad_()
        expected = network.predict_iou(modulation, network.get_iou_feat(feat), variable)
        (of_boxes,) = torch.autograd.grad(expected.sum(), variable)
    assert not gradient.requires_grad
    assert torch.equal(iou, expected.detach())
    assert torch.equal(gradient, of_boxes)


def test_training_pass_equals_the_pieces(network: AtomIoUNet) -> None:
    reference, feat = features(2), [torch.randn(3, 2, *f.shape[1:]) for f in features(2)]
    proposals = BOXES + torch.rand(3, 2, 3, 4)
    iou = network(reference, feat, BOXES[:, 0], proposals)
    assert iou.shape == (3, 2, 3)
    modulation = network.get_modulation(reference, BOXES[:, 0])
    for j in range(3):
        expected = network.predict_iou(modulation, network.get_iou_feat([f[j] for f in feat]), proposals[j])
        torch.testing.assert_close(iou[j], expected, rtol=1e-4, atol=1e-5)


def test_folded_copy_predicts_the_same(network: AtomIoUNet) -> None:
    reference, feat = features(1), features(1)
    ious = []
    for form in (network, fold_batch_norms(network).to(memory_format=torch.channels_last)):
        modulation = form.get_modulation(reference, BOXES[:1, 0])
        ious.append(form.predict_iou(modulation, form.get_iou_feat(feat), BOXES[:1]))
    torch.testing.assert_close(ious[1], ious[0], rtol=1e-4, atol=1e-4 * float(ious[0].abs().max()))


@pytest.mark.parametrize("shape", [(2, 3, 4), (4,), (1, 3, 5)])
def test_wrong_proposals_are_named(network: AtomIoUNet, shape: tuple[int, ...]) -> None:
    modulation, iou_feat = network.get_modulation(features(1), BOXES[:1, 0]), network.get_iou_feat(features(1))
    with pytest.raises(ValueError, match=r"expected proposals \(1, n, 4\)"):
        network.predict_iou(modulation, iou_feat, torch.zeros(shape))


def test_golden_modulation_iou_and_gradient() -> None:
    case = golden("c06_iounet.npz")
    network = AtomIoUNet((512, 1024)).eval().requires_grad_(False)
    network.load_state_dict(fill_by_recipe(network.state_dict(), case, "bb_regressor."))
    shapes = ((1, 512, 36, 36), (1, 1024, 18, 18))
    reference, test = (
        [0.2 * case.normal(f"c06.{branch}{i}", shape) for i, shape in zip((2, 3), shapes, strict=True)]
        for branch in ("ref", "test")
    )
    modulation = network.get_modulation(reference, case["target_box"])
    iou_feat = network.get_iou_feat(test)
    boxes = case["proposals"][None].requires_grad_()
    iou = network.predict_iou(modulation, iou_feat, boxes)
    (grad,) = torch.autograd.grad(iou.sum(), boxes)

    compared = (
        (modulation[0][0], "mod3_f64", 1e-4),
        (modulation[1][0], "mod4_f64", 1e-4),
        (iou_feat[0][0, ::16, ::6, ::6], "iou_feat3_sub", 1e-4),
        (iou_feat[1][0, ::16, ::3, ::3], "iou_feat4_sub", 1e-4),
        (iou[0], "iou_f64", 1e-4),
        (grad[0], "grad_f64", 1e-3),
    )
    for value, key, tolerance in compared:
        expected = case[key].double()
        atol = tolerance * float(expected.abs().max())
        torch.testing.assert_close(
            value.detach().double(), expected, rtol=0, atol=atol, msg=lambda m, k=key: f"{k}: {m}"
        )
