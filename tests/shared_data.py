"""Access to the folder `shared` beside the project: golden vectors and real sequences, absent for most users."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_path(*parts: str) -> Path:
    """Path below `shared`; skips the calling test where it does not exist."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(('shared', *parts))} beside the project, which is not there")
    return path


class Golden:
    """One file of golden vectors with its seeded inputs (README of `shared/golden`, section 0)."""

    def __init__(self, name: str) -> None:
        self.arrays = np.load(shared_path("golden", name), allow_pickle=False)
        self.seed = int(self.arrays["seed"])

    def __getitem__(self, key: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[key]))

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    def _generator(self, name: str) -> torch.Generator:
        return torch.Generator().manual_seed((zlib.crc32(name.encode()) + self.seed) % 2**31)

    def normal(self, name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        """N(name, shape) of the recipe: standard normal."""
        return torch.randn(shape, generator=self._generator(name), dtype=dtype)

    @property
    def draw_error(self) -> float:
        """How far normal draws may be from those that the file was made with: 0 where this machine draws the same.

        PyTorch draws r cos(2πu) in float32, in vectors with AVX2 and one by one without. The angle, up to 2π, is
        rounded by up to 2.4e-7 in each, and r is below 5.8, so that two draws differ by up to 3e-6.
        """
        image = Golden("c01_network.npz")
        drawn = image.normal("input.image", (1, 3, 288, 288)).flatten()[:8]
        return 0.0 if torch.equal(drawn, image["x_first8"]) else 3e-6

    def uniform(self, name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        """U(name, shape) of the recipe: uniform on [0, 1)."""
        return torch.rand(shape, generator=self._generator(name), dtype=dtype)

    def boxes(
        self, name: str, n: int, jitter: float = 24, crop: int = 288, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """B(name, n): (n, 4) boxes xywh around the center of a crop."""
        u = self.uniform(name, (n, 4), dtype)
        center = crop / 2 + (u[:, :2] - 0.5) * 2 * jitter
        size = 40 + 40 * u[:, 2:]
        return torch.cat((center - size / 2, size), dim=1)

    def features(self, name: str, boxes: Tensor, channels: int, crop: int = 288) -> Tensor:
        """X(name, boxes, C): (n, C, crop / 16, crop / 16) noise plus a template bump at each box center."""
        n, side, dtype = len(boxes), crop // 16, boxes.dtype
        noise = self.normal(name + ".noise", (n, channels, side, side), dtype)
        template = self.normal(name + ".template", (channels,), dtype)
        center = (boxes[:, :2] + boxes[:, 2:] / 2) / 16 - 0.5
        cells = torch.arange(side, dtype=dtype)
        squared = (cells[None, :, None] - center[:, 1, None, None]) ** 2
        squared = squared + (cells[None, None, :] - center[:, 0, None, None]) ** 2
        bump = torch.exp(-squared / 8)
        return (noise + 2 * template[None, :, None, None] * bump[:, None]) / (16 * channels) ** 0.5


def golden(name: str) -> Golden:
    """Golden vectors of one file, e.g. `golden("c05_rls_dimp.npz")`; skips the test where they are absent."""
    return Golden(name)


def fill_by_recipe(state_dict: dict[str, Tensor], case: Golden, prefix: str = "") -> dict[str, Tensor]:
    """State dict of the weight recipe (section 0.1): every entry but the optimizer's kept ones is drawn by its name."""
    owners = {key.rsplit(".", 1)[0] for key in state_dict if key.endswith(".running_mean")}
    filled = {}
    for key, old in state_dict.items():
        name, shape = prefix + key, tuple(old.shape)
        owner, leaf = key.rsplit(".", 1)
        if "filter_optimizer." in key:
            filled[key] = old
        elif leaf == "num_batches_tracked":
            filled[key] = torch.zeros_like(old)
        elif owner in owners:
            scale_like = leaf in ("weight", "running_var")
            filled[key] = 0.5 + case.uniform(name, shape) if scale_like else 0.1 * case.normal(name, shape)
        elif leaf == "weight":
            fan_in = old.numel() // shape[0]
            filled[key] = case.normal(name, shape) * (2 / fan_in) ** 0.5
        else:
            filled[key] = 0.1 * case.normal(name, shape)
    return filled
