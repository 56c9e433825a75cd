import ast
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch

from ltr.inference import prepare
from ltr.models.tracking.dimpnet import (
    DiMPnet,
    dimpnet18,
    dimpnet50,
    dimpnet_lite0,
    klcedimpnet18,
    klcedimpnet50,
    klcedimpnet_lite0,
)
from tests.ltr.models.networks import random_statistics
from tests.shared_data import fill_by_recipe, golden, shared_path

CONSTRUCTORS = {"dimpnet18": dimpnet18, "dimpnet50": dimpnet50}
GOLDEN_PREFIXES = {"d18": dimpnet18, "d50": dimpnet50}

# Steps over channels and cells of the stored parts of the feature maps.
STEPS = {"conv1": (16, 9), "layer1": (16, 9), "layer2": (16, 4), "layer3": (8, 3), "layer4": (32, 3), "clf": (8, 3)}


@pytest.fixture(scope="module")
def lite() -> DiMPnet:
    return dimpnet_lite0().eval()


def published(name: str) -> tuple[dict[str, tuple[str, str]], dict]:
    """Keys with shapes and dtypes of a published network, and the keywords of its constructor."""
    section = shared_path("reference", "dimp_state_dict_keys.txt").read_text().split(f"===== {name} ")[1]
    lines = section.split("=====")[0].splitlines()[1:]
    keywords = next(line.removeprefix("constructor ") for line in lines if line.startswith("constructor "))
    entries = {}
    for line in lines:
        if line.startswith(("feature_extractor.", "classifier.", "bb_regressor.")):
            key, rest = line.split(" ", 1)
            shape, dtype = rest.rsplit(" ", 1)
            entries[key] = (shape, dtype)
    return entries, ast.literal_eval(keywords)["kwds"]


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_state_dict_is_that_of_the_published_networks(name: str) -> None:
    entries, keywords = published(name)
    for network in (CONSTRUCTORS[name](), CONSTRUCTORS[name](**keywords)):
        ours = {
            key: (str(tuple(value.shape)), str(value.dtype).removeprefix("torch."))
            for key, value in network.state_dict().items()
        }
        assert ours == entries


@pytest.mark.parametrize(("name", "keys", "parameters"), [("dimpnet18", 221, 19645911), ("dimpnet50", 407, 43097303)])
def test_size_is_that_of_the_published_networks(name: str, keys: int, parameters: int) -> None:
    network = CONSTRUCTORS[name]()
    assert len(network.state_dict()) == keys
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert network.state_dict()["bb_regressor.fc3_rt.linear.weight"].shape == (256, 6400)
    assert "feature_extractor.layer4.0.conv1.weight" in network.state_dict()
    assert "feature_extractor.fc.bias" in network.state_dict()


@pytest.mark.parametrize(("name", "prdimp"), [("dimpnet18", klcedimpnet18), ("dimpnet50", klcedimpnet50)])
def test_prdimp_has_the_parameters_of_dimp_without_the_maps(name: str, prdimp: Callable[..., DiMPnet]) -> None:
    dimp, found = CONSTRUCTORS[name]().state_dict(), prdimp().state_dict()
    maps = {key for key in dimp if "_predictor" in key and "filter_optimizer" in key}
    assert len(maps) == 3
    assert {key: value.shape for key, value in found.items()} == {
        key: value.shape for key, value in dimp.items() if key not in maps
    }


@pytest.mark.parametrize("prefix", GOLDEN_PREFIXES)
def test_golden_weight_recipe(prefix: str) -> None:
    case = golden("c00_recipe.npz")
    filled = fill_by_recipe(GOLDEN_PREFIXES[prefix]().state_dict(), case)
    keys = case.arrays[f"{prefix}_key"].tolist()
    assert set(filled) == set(keys)
    for i, key in enumerate(keys):
        value, abssum = filled[key].double(), float(case[f"{prefix}_abssum"][i])
        assert float(value.sum()) == pytest.approx(float(case[f"{prefix}_sum"][i]), abs=1e-3 * abssum), key
        kept = f"{prefix}_keep_{key}"
        if kept in case:
            torch.testing.assert_close(filled[key].flatten(), case[kept].flatten())


@pytest.mark.parametrize("prefix", GOLDEN_PREFIXES)
def test_golden_features(prefix: str) -> None:
    case = golden("c01_network.npz")
    network = GOLDEN_PREFIXES[prefix]().eval()
    network.load_state_dict(fill_by_recipe(network.state_dict(), case))
    image = case.normal("input.image", (1, 3, 288, 288))
    torch.testing.assert_close(image.flatten()[:8], case["x_first8"], rtol=0, atol=1e-6)
    with torch.no_grad():
        features = network.extract_backbone_features(image, ("conv1", "layer1", "layer2", "layer3", "layer4"))
        features["clf"] = network.extract_classification_feat(features)
    for name, value in features.items():
        mean, std, norm, low, high = case[f"{prefix}_{name}_stats"].tolist()
        atol = 1e-4 * std
        assert list(value.shape) == case[f"{prefix}_{name}_shape"].tolist()
        assert float(value.double().mean()) == pytest.approx(mean, abs=atol)
        assert (float(value.min()), float(value.max())) == pytest.approx((low, high), abs=atol)
        assert float(value.double().norm()) == pytest.approx(norm, rel=1e-4)
        expected = case[f"{prefix}_{name}_sub"]
        channel, cell = STEPS[name]
        torch.testing.assert_close(value[0, ::channel, ::cell, ::cell], expected, rtol=0, atol=atol)


@pytest.mark.parametrize("constructor", [dimpnet18, dimpnet50, dimpnet_lite0, klcedimpnet18, klcedimpnet_lite0])
def test_unknown_keyword_is_named(constructor: Callable[..., DiMPnet]) -> None:
    with pytest.raises(TypeError, match="optim_init_stp"):
        constructor(optim_init_stp=0.9)


def test_unknown_initializer_is_named() -> None:
    with pytest.raises(ValueError, match="'linear' or 'zero', got 'ones'"):
        dimpnet_lite0(backbone_pretrained=False, filter_init="ones")


def test_import_does_not_pay_for_torchvision() -> None:
    code = "import sys, ltr.models.tracking.dimpnet; print('torchvision' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_settings_reach_their_layers() -> None:
    network = dimpnet_lite0(
        backbone_pretrained=False, optim_iter=7, optim_init_step=0.5, frozen_backbone_layers=["_fc"]
    )
    assert network.classifier.filter_optimizer.num_iter == 7
    assert network.classifier.filter_optimizer.log_step_length.exp().item() == pytest.approx(0.5)
    assert not network.feature_extractor.get_parameter("_fc.weight").requires_grad


def test_lite_needs_no_training(lite: DiMPnet) -> None:
    """On a bright square the filter learnt from one sample peaks at the square's new place."""
    assert lite.bb_regressor is None
    assert lite.output_layers == ("layer3",)
    first, second = torch.zeros(2, 1, 3, 288, 288)
    first[..., 112:176, 112:176] = 1
    second[..., 144:208, 80:144] = 1  # two cells down, two to the left
    bb = torch.tensor([[112.0, 112, 64, 64]])
    with torch.no_grad():
        feat = lite.extract_classification_feat(lite.extract_backbone_features(first))
        weights, _, losses = lite.classifier.get_filter(feat, bb, num_iter=10)
        scores = lite.classifier.classify(
            weights, lite.extract_classification_feat(lite.extract_backbone_features(second))
        )
    assert feat.shape == (1, 112, 18, 18)
    assert float(feat.norm()) == pytest.approx(4.5, rel=1e-3)  # scale sqrt(1 / (112 * 16)), as in DiMP
    assert losses[-1] < 0.1 * losses[0]
    assert scores.shape == (1, 19, 19)
    row, column = divmod(int(scores.argmax()), 19)
    assert abs(row - 11) <= 1
    assert abs(column - 7) <= 1


@pytest.mark.parametrize("constructor", [dimpnet18, dimpnet_lite0])
def test_inference_copy_computes_the_same(constructor: Callable[..., DiMPnet]) -> None:
    network = constructor().eval()
    if constructor is dimpnet18:
        random_statistics(network)
    fast = prepare(network)
    image, bb = torch.randn(2, 3, 288, 288), torch.tensor([[100.0, 110, 70, 60], [90, 80, 60, 60]])
    outputs = []
    for net in (network, fast):
        with torch.no_grad():
            backbone = net.extract_backbone_features(image)
            feat = net.extract_classification_feat(backbone)
            outputs.append([feat, net.classifier.filter_initializer(feat, bb)])
            if net.bb_regressor is not None:
                iou_feat = net.get_backbone_bbreg_feat(backbone)
                modulation = net.bb_regressor.get_modulation(iou_feat, bb)
                iou = net.bb_regressor.predict_iou(modulation, net.bb_regressor.get_iou_feat(iou_feat), bb[:, None])
                outputs[-1] += [*modulation, iou]
    for expected, value in zip(*outputs, strict=True):
        # rounding of some dozens of float32 layers, relative to the size of the values
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-3 * float(expected.abs().max()))


def test_lite_with_trainable_heads_trains() -> None:
    network = dimpnet_lite0(
        backbone_pretrained=False, filter_init="linear", final_conv=True, out_feature_dim=16, bb_regressor=True,
        optim_iter=2,
    ).train()  # fmt: skip
    bb = torch.tensor([40.0, 40, 40, 40]) + torch.rand(2, 2, 4)
    scores, iou = network(torch.randn(2, 2, 3, 128, 128), torch.randn(1, 2, 3, 128, 128), bb, bb[:1, :, None] + 3)
    assert [tuple(s.shape) for s in scores] == [(1, 2, 9, 9)] * 3
    assert iou is not None
    assert iou.shape == (1, 2, 1)
    (sum(s.square().mean() for s in scores) + iou.square().mean()).backward()
    unused = ("_blocks.11", "_blocks.12", "_blocks.13", "_blocks.14", "_blocks.15", "_conv_head", "_bn1", "_fc")
    for name, parameter in network.named_parameters():
        if not name.removeprefix("feature_extractor.").startswith(unused):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_training_pass_without_box_regressor(lite: DiMPnet) -> None:
    with torch.no_grad():
        scores, iou = lite(
            torch.randn(1, 1, 3, 128, 128), torch.randn(2, 1, 3, 128, 128), torch.tensor([[[40.0, 40, 40, 40]]])
        )
    assert iou is None
    assert scores[-1].shape == (2, 1, 9, 9)


@pytest.mark.parametrize("constructor", [dimpnet_lite0, klcedimpnet_lite0])
def test_sequences_together_equal_one_by_one(constructor: Callable[..., DiMPnet]) -> None:
    """Each sequence has its own filter; in evaluation mode nothing else could mix them."""
    torch.manual_seed(0)
    network = (
        constructor(
            backbone_pretrained=False, filter_init="linear", final_conv=True, out_feature_dim=16, bb_regressor=True
        )
        .double()
        .eval()
    )
    train, test = ({"layer2": torch.randn(n, 3, 40, 16, 16), "layer3": torch.randn(n, 3, 112, 8, 8)} for n in (2, 4))
    train, test = ({name: feat.double() for name, feat in features.items()} for features in (train, test))
    boxes = (40 + 20 * torch.rand(2, 3, 4)).double()
    proposals = (40 + 20 * torch.rand(4, 3, 5, 4)).double()
    scores, iou = network.forward_features(train, test, boxes, proposals)
    assert iou is not None
    for s in range(3):
        one = slice(s, s + 1)
        alone, iou_alone = network.forward_features(
            {name: feat[:, one] for name, feat in train.items()},
            {name: feat[:, one] for name, feat in test.items()},
            boxes[:, one],
            proposals[:, one],
        )
        torch.testing.assert_close(torch.stack(alone), torch.stack(scores)[:, :, one])
        torch.testing.assert_close(iou_alone, iou[:, one])
        feat = network.extract_classification_feat({"layer3": train["layer3"][:, s]})
        weights, _, _ = network.classifier.get_filter(feat, boxes[:, s])  # what a tracker calls
        expected = network.classifier.classify(
            weights, network.extract_classification_feat({"layer3": test["layer3"][:, s]})
        )
        torch.testing.assert_close(scores[-1][:, s], expected)
