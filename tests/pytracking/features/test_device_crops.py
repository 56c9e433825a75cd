import numpy as np
import pytest
import torch

from pytracking.features.device_crops import crop_together
from pytracking.features.preprocessing import crop, crop_geometry
from tests.paper_cuda import DEVICE, paper_cuda
from tests.rls.no_reads import NoReads

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8)  # noise: the steepest slopes there are
POSITIONS = [[40.0, 60.0], [2.0, 128.0], [89.0, 3.0], [-300.0, 40.0], [200.0, 500.0], [45.3, 64.9]]


@pytest.mark.parametrize("size", [[36.0, 48.0], [20.0, 20.0], [77.0, 61.0], [400.0, 333.0], [3.0, 2.0]])
@pytest.mark.parametrize("output_sz", [(36, 48), (33, 17)])
def test_crops_are_those_cut_out_one_by_one(size: list[float], output_sz: tuple[int, int]) -> None:
    """Enlarged, shrunk, subsampled, as they are, across every border and beyond it."""
    geometries = [
        crop_geometry(np.array([90, 130]), np.array(pos), factor * np.array(size), output_sz)
        for pos in POSITIONS
        for factor in (1.0, 1.3)
    ]
    expected = torch.cat([crop(IMAGE, geometry, output_sz) for geometry in geometries])
    with NoReads():
        found = crop_together(torch.from_numpy(IMAGE), geometries, output_sz)
    assert found.shape == expected.shape
    assert found[:1].is_contiguous(memory_format=torch.channels_last)
    # A coordinate below 128 in float32 is off by up to 1.5e-5 after three roundings, and the slope is up to 255.
    torch.testing.assert_close(found, expected, rtol=0, atol=2 * 255 * 1.5e-5)


def test_nothing_waits_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = np.array([90, 130]), np.array([40.0, 30.0])
    geometries = [crop_geometry(sizes[0], np.array(pos), sizes[1], (20, 24)) for pos in POSITIONS]
    with paper_cuda(monkeypatch) as gpu:
        image = torch.zeros(90, 130, 3, dtype=torch.uint8, device=DEVICE)
        crops = crop_together(image, geometries, (20, 24))
        assert crops.device == torch.device(DEVICE)
        assert crops.shape == (6, 3, 20, 24)
    assert gpu.waits == []
