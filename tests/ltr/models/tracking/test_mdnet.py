"""MDNet against golden vectors; its lite variant against what is promised of its geometry."""

import pytest
import torch
from torch import Tensor

from ltr.inference import prepare
from ltr.models.layers.adaptive_roi_align import adaptive_roi_align
from ltr.models.tracking.mdnet import (
    MDNet,
    SingleElementLRN,
    centered_points,
    mdnet,
    mdnet_lite0,
    without_receptive_field,
)
from tests.shared_data import Golden, fill_by_recipe, golden


@pytest.fixture(scope="module")
def case() -> Golden:
    return golden("c10_rtmdnet.npz")


@pytest.fixture(scope="module")
def net(case: Golden) -> MDNet:
    net = mdnet()
    net.load_state_dict(fill_by_recipe(net.state_dict(), case, "mdnet."))
    return net.eval()


def assert_close_to_std(found: Tensor, expected: Tensor, stats: Tensor) -> None:
    """Golden README: conv features within 1e-4 of their standard deviation."""
    assert (found - expected).abs().max() <= 1e-4 * stats[1]


def test_state_dict_has_the_keys_of_the_recipe(case: Golden) -> None:
    recipe = golden("c00_recipe.npz")
    shapes = dict(zip(recipe.arrays["mdnet_key"].tolist(), recipe.arrays["mdnet_shape"].tolist(), strict=True))
    found = {key: "x".join(map(str, value.shape)) for key, value in mdnet().state_dict().items()}
    assert found == {key.removeprefix("mdnet."): shape for key, shape in shapes.items()}


def test_normalization(case: Golden) -> None:
    found = SingleElementLRN()(torch.linspace(-300, 300, 41))
    torch.testing.assert_close(found, case["lrn_out"], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_golden_feature_maps(case: Golden, net: MDNet) -> None:
    image = case.uniform("mdnet.image", (1, 3, 187, 203)) * 255 - 127.5
    steps = {"conv1": 3, "conv2": 3, "conv3": 3}
    for name, maps in net.extract_feature_maps(image).items():
        assert tuple(maps.shape) == tuple(case[f"{name}_shape"].tolist())
        step = steps[name]
        found = maps[0, ::16, ::step, ::step]
        assert_close_to_std(found, case[f"{name}_sub"], case[f"{name}_stats"])


@torch.no_grad()
def test_golden_logits(case: Golden, net: MDNet) -> None:
    features = case.normal("mdnet.roifeat", (20, 4608)).relu()
    fc4 = net.layers.fc4(features)
    fc5 = net.layers.fc5(fc4)
    assert_close_to_std(fc4[:, ::8], case["fc4_sub"], case["fc4_stats"])
    assert_close_to_std(fc5[:, ::8], case["fc5_sub"], case["fc5_stats"])
    torch.testing.assert_close(net(features), case["fc6"], rtol=1e-4, atol=1e-4)


def test_golden_receptive_field(case: Golden) -> None:
    for name, size in (("maskroi", 107.0), ("maskroi_jit", float(case["maskroi_jit_size"]))):
        boxes, scale = case["samples"], size / case["maskroi_target_wh"]
        near, extent = boxes[:, :2], boxes[:, 2:]
        padded = torch.cat(((near - 0.1 * extent) * scale, (near + 1.1 * extent) * scale), dim=1)
        torch.testing.assert_close(without_receptive_field(padded, 75), case[name], rtol=0, atol=1e-9)


@torch.no_grad()
def test_roi_features_are_channel_by_channel(net: MDNet) -> None:
    scene = torch.randn(1, 3, 160, 160) * 50
    features = net.extract_roi_features(scene, torch.tensor([[0, 10.0, 12.0, 140.0, 130.0]]))
    maps = net.extract_feature_maps(scene)["conv3"]
    assert features.shape == (1, 4608)
    assert features.view(512, 9).max(dim=1).values.le(maps[0].amax(dim=(1, 2)) + 1e-4).all()


def test_domains_together_are_the_branches_one_by_one() -> None:
    torch.manual_seed(1)
    for network in (mdnet(num_branches=4), mdnet_lite0(backbone_pretrained=False, hidden_dim=8, num_branches=4)):
        network.double().eval()
        features = torch.randn(5, network.feature_dim, dtype=torch.float64)
        domains = torch.tensor([2, 0, 3])
        logits = network.domain_logits(network.hidden_features(features), domains)
        expected = torch.stack([network(features, branch=int(k)) for k in domains], dim=1)
        torch.testing.assert_close(logits, expected)


def test_domains_share_their_dropout() -> None:
    network = mdnet_lite0(backbone_pretrained=False, hidden_dim=64, num_branches=2).train()
    network.branches[1].load_state_dict(network.branches[0].state_dict())
    logits = network.domain_logits(torch.randn(3, 64), torch.tensor([0, 1]))
    assert torch.equal(logits[:, 0], logits[:, 1])


def test_lite_head_takes_the_trained_layers() -> None:
    trained = mdnet_lite0(backbone_pretrained=False, hidden_dim=8, num_branches=2)
    head = trained.make_head(torch.Generator().manual_seed(0))
    assert torch.equal(head.fc4[0].weight, trained.layers.fc4[0].weight)
    assert torch.equal(head.fc5[1].bias, trained.layers.fc5[1].bias)
    untrained = mdnet_lite0(backbone_pretrained=False, hidden_dim=8)
    assert not any(key.startswith(("layers", "branches")) for key in untrained.state_dict())


def test_head_is_a_copy(net: MDNet) -> None:
    head = net.make_head(torch.Generator().manual_seed(0))
    before = net.layers.fc4[0].weight.clone()
    with torch.no_grad():
        head.fc4[0].weight.zero_()
    assert torch.equal(net.layers.fc4[0].weight, before)
    assert all(parameter.requires_grad for parameter in head.parameters())


def test_head_names_its_layers_and_their_dropouts() -> None:
    head = mdnet_lite0(backbone_pretrained=False, hidden_dim=8).make_head()
    assert list(head.linear_layers) == ["fc4", "fc5", "fc6"]
    assert head.input_modules == {head.fc5[1]: head.fc5[0], head.fc6[1]: head.fc6[0]}
    torch.manual_seed(5)
    again, other = (
        mdnet_lite0(backbone_pretrained=False, hidden_dim=8).make_head(torch.Generator().manual_seed(seed))
        for seed in (3, 4)
    )
    repeated = mdnet_lite0(backbone_pretrained=False, hidden_dim=8).make_head(torch.Generator().manual_seed(3))
    torch.testing.assert_close(again.state_dict(), repeated.state_dict(), rtol=0, atol=0)
    assert not torch.equal(again.fc4[0].weight, other.fc4[0].weight)


@pytest.mark.parametrize("layers", [("layer2",), ("layer3",), ("layer2", "layer3")])
def test_lite_features_have_their_dimension(layers: tuple[str, ...]) -> None:
    net = prepare(mdnet_lite0(backbone_pretrained=False, layers=layers).eval())
    rois = torch.tensor([[0, 4.0, 6.0, 80.0, 70.0], [1, -9.0, 0.0, 30.0, 40.0]])
    features = net.extract_roi_features(torch.randn(2, 3, 96, 112), rois)
    assert features.shape == (2, net.feature_dim)
    assert features.isfinite().all()


def test_lite_inference_copy_computes_the_same() -> None:
    torch.manual_seed(2)
    net = mdnet_lite0().eval()
    scenes, rois = torch.randn(1, 3, 96, 112), torch.tensor([[0, 4.0, 6.0, 80.0, 70.0]])
    torch.testing.assert_close(
        prepare(net).extract_roi_features(scenes, rois),
        net.extract_roi_features(scenes, rois),
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize("stride", [8, 16])
def test_points_lie_in_the_middle_of_equal_parts_of_a_box(stride: int) -> None:
    scene = torch.arange(320.0).expand(1, 1, 320, 320)  # columns hold their number
    cells = torch.nn.functional.avg_pool2d(scene, stride)
    box = torch.tensor([[90.0, 60.0, 202.0, 200.0]])
    points = torch.cat((torch.zeros(1, 1), centered_points(box, stride)), dim=1)
    found = adaptive_roi_align(cells, points, 7, 1 / stride)[0, 0, 3]
    expected = 90 + (torch.arange(7) + 0.5) * 112 / 7
    torch.testing.assert_close(found, expected)


@torch.no_grad()
@pytest.mark.parametrize(("layer", "stride"), [("layer2", 8), ("layer3", 16)])
def test_lite_cells_look_at_the_middle_of_their_square(layer: str, stride: int) -> None:
    torch.manual_seed(0)
    net = mdnet_lite0(layers=(layer,)).eval()
    image = torch.randn(1, 3, 320, 320)
    with torch.enable_grad():
        image.requires_grad_()
        cell = 320 // stride // 2
        net.feature_extractor(image, (layer,))[layer][0, :, cell, cell].square().sum().backward()
    assert image.grad is not None
    influence = image.grad.square().sum(dim=(0, 1))
    mean = (influence.sum(0) * torch.arange(320)).sum() / influence.sum()
    assert float(mean) == pytest.approx(cell * stride + (stride - 1) / 2, abs=0.1 * stride)


def test_unknown_layers_are_refused() -> None:
    for layers in ((), ("layer9",)):
        with pytest.raises(ValueError, match="Expected layers among layer1, layer2, layer3, layer4"):
            mdnet_lite0(backbone_pretrained=False, layers=layers)
