import pytest
import torch

from pytracking.libs import TensorList
from pytracking.libs.operation import conv1x1, conv2d


def correlation(image: torch.Tensor, kernel: torch.Tensor, y: int, x: int) -> float:
    """Of a kernel whose first tap lies on (y, x), zeros beyond the border."""
    total = 0.0
    for i in range(kernel.shape[2]):
        for j in range(kernel.shape[3]):
            if 0 <= y + i < image.shape[2] and 0 <= x + j < image.shape[3]:
                total += float(image[0, 0, y + i, x + j] * kernel[0, 0, i, j])
    return total


@pytest.mark.parametrize("size", [(3, 3), (2, 4)])
@pytest.mark.parametrize("mode", ["valid", "same", "full"])
def test_modes(mode: str, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    image, kernel = torch.rand(1, 1, 6, 7, generator=generator), torch.rand(1, 1, *size, generator=generator)
    before = {"valid": (0, 0), "same": (size[0] // 2, size[1] // 2), "full": (size[0] - 1, size[1] - 1)}[mode]
    shape = {
        "valid": (7 - size[0], 8 - size[1]), "same": (6, 7), "full": (5 + size[0], 6 + size[1]),
    }[mode]  # fmt: skip
    expected = torch.tensor(
        [[correlation(image, kernel, y - before[0], x - before[1]) for x in range(shape[1])] for y in range(shape[0])]
    )
    torch.testing.assert_close(conv2d(image, kernel, mode=mode)[0, 0], expected)


def test_without_a_mode_it_is_a_convolution_with_its_options() -> None:
    image, kernel = torch.arange(36.0).view(1, 1, 6, 6), torch.ones(1, 1, 2, 2)
    assert conv2d(image, kernel, torch.tensor([1.0]), 2).flatten().tolist() == [
        sum(6 * (2 * y + i) + 2 * x + j for i in range(2) for j in range(2)) + 1 for y in range(3) for x in range(3)
    ]
    assert conv2d(image, kernel, padding=1).shape == (1, 1, 7, 7)


def test_what_is_refused() -> None:
    image, kernel = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2)
    with pytest.raises(ValueError, match="'round'"):
        conv2d(image, kernel, mode="round")
    with pytest.raises(ValueError, match="padding 1"):
        conv2d(image, kernel, padding=1, mode="same")


def test_lists_are_paired() -> None:
    images = TensorList([torch.full((1, 2, 3, 3), 2.0), torch.full((1, 2, 1, 1), 3.0)])
    weights = TensorList([torch.tensor([1.0, 10.0]).view(1, 2, 1, 1)] * 2)
    assert [out.unique().tolist() for out in conv1x1(images, weights)] == [[22.0], [33.0]]
    assert conv1x1(images, None).list() == images.list()
