import math

import torch

from ltr.models.layers.distance import RadialMap, distance_to_center


def test_distance_is_euclidean_in_cells() -> None:
    distance = distance_to_center(torch.tensor([[1.0, 2.0], [0.5, 0.0]]), (3, 4))
    assert distance.shape == (2, 3, 4)
    assert distance[0, 1, 2] == 0
    assert math.isclose(distance[0, 2, 0], math.hypot(1, 2), rel_tol=1e-6)
    assert distance[1, 0, 0] == 0.5


def test_radial_map_interpolates_and_stays_constant_beyond_the_last_bin() -> None:
    radial = RadialMap(torch.tensor([1.0, 3.0, 4.0]), bin_displacement=0.5)
    values = radial(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0, 1.2, 50.0]))
    torch.testing.assert_close(values, torch.tensor([1.0, 2.0, 3.0, 3.5, 4.0, 4.0, 4.0]))


def test_radial_map_equals_hat_functions_and_a_1x1_convolution() -> None:
    radial = RadialMap(torch.randn(7), bin_displacement=0.3)
    distance = 3 * torch.rand(2, 5, 5)
    bins = torch.arange(7.0)[None, :, None, None]
    hats = (1 - (distance[:, None] / 0.3 - bins).abs()).clamp(min=0)
    hats[:, -1] = (1 + (distance / 0.3 - 6)).clamp(0, 1)
    expected = torch.nn.functional.conv2d(hats, radial.weight)[:, 0]
    torch.testing.assert_close(radial(distance), expected)


def test_radial_map_is_differentiable_in_its_bins() -> None:
    radial = RadialMap(torch.zeros(4), bin_displacement=1.0)
    radial(torch.tensor([0.25, 7.0])).sum().backward()
    torch.testing.assert_close(radial.weight.grad.flatten(), torch.tensor([0.75, 0.25, 0.0, 1.0]))
