import torch

from ltr.models.layers.prroi_pool import prroi_pool2d
from ltr.models.target_classifier.initializer import FilterInitializerLinear, FilterInitializerZero
from tests.shared_data import fill_by_recipe, golden

PREFIX = "classifier.filter_initializer."


def test_convolves_pools_and_averages() -> None:
    initializer = FilterInitializerLinear(4, feature_dim=6).requires_grad_(False)
    feat, bb = torch.randn(3, 6, 18, 18), torch.tensor([[40.0, 50, 90, 70], [100, 90, 60, 80], [120, 100, 50, 50]])
    filters = []
    for image, (x, y, w, h) in zip(feat, bb.tolist(), strict=True):
        convolved = torch.nn.functional.conv2d(image[None], initializer.filter_conv.weight, padding=1)
        convolved = convolved + initializer.filter_conv.bias[:, None, None]
        filters.append(prroi_pool2d(convolved, torch.tensor([[0, x, y, x + w, y + h]]), 4, 1 / 16))
    torch.testing.assert_close(initializer(feat, bb), torch.cat(filters).mean(dim=0, keepdim=True))


def test_zero_filter_has_the_kind_of_the_features() -> None:
    weights = FilterInitializerZero(4)(torch.randn(3, 6, 18, 18, dtype=torch.float64), torch.ones(3, 4))
    assert torch.equal(weights, torch.zeros(1, 6, 4, 4, dtype=torch.float64))
    assert not FilterInitializerZero(4).state_dict()


def test_golden_filter() -> None:
    case = golden("c03_initializer.npz")
    initializer = FilterInitializerLinear(4, feature_dim=512).requires_grad_(False)
    initializer.load_state_dict(fill_by_recipe(initializer.state_dict(), case, PREFIX))
    bb = case["boxes"]
    feat = case.features("c03", bb, 512)
    torch.testing.assert_close(feat[0, :4, 8, 8], case["feat_first"], rtol=0, atol=1e-5)
    expected, single = case["filter"], case["filter_single"]
    atol = 1e-5 * float(expected.abs().max())
    weights = initializer(feat, bb)
    torch.testing.assert_close(weights, expected, rtol=0, atol=atol)
    torch.testing.assert_close(weights[:, ::8].double(), case["filter_f64_sub"], rtol=0, atol=atol)
    torch.testing.assert_close(initializer(feat[:1], bb[:1]), single, rtol=0, atol=1e-5 * float(single.abs().max()))
