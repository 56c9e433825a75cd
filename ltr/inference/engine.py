"""Convolutional networks compiled for this CPU by OpenVINO (https://docs.openvino.ai).

Sizes of maps and batches may change from call to call. A network is converted once: what comes of it is kept in
`cache_folder()`, and may be deleted at any time.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ltr.models.backbone.base import Backbone

EXAMPLE_SIZE = 128  # side of the map that a network is traced with
FIXED_SIZES = 2  # of maps that a module has code of their own for


@functools.cache
def engine_available() -> bool:
    """Whether OpenVINO is installed; it has no wheels for some platforms."""
    return importlib.util.find_spec("openvino") is not None


def cache_folder() -> Path:
    """Of converted networks: `PYTRACKING_CACHE_PATH`, else the user's folder for caches."""
    given = os.environ.get("PYTRACKING_CACHE_PATH")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else base / "rls-onlinetrack"


class CompiledModule(nn.Module):
    """A frozen module, for float32 tensors (N, C, H, W) on the CPU; without a gradient.

    It is compiled when it is first called, for as many threads as torch has then. Code for one size of map is up to a
    tenth faster than code for all: the first `FIXED_SIZES` sizes have their own, for one image at a time, unless the
    size is known to change from call to call (`sizes_change`).
    """

    def __init__(self, module: nn.Module, sizes_change: bool = False) -> None:
        super().__init__()
        self.module = module
        self.sizes_change = sizes_change
        self._requests: dict[tuple[int, int] | None, Any] = {}  # by size of map; None: for all

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_requests": {}}  # which belong to this process

    def forward(self, x: Tensor) -> Any:
        """What the module returns, a tensor or a tuple of them, each in new memory."""
        request, at_once = self._request(x)
        images = [x] if at_once or len(x) == 1 else x.split(1)
        outputs = [request.infer([part.contiguous().numpy()], share_inputs=True).to_tuple() for part in images]
        tensors = tuple(torch.cat([torch.from_numpy(part) for part in parts]) for parts in zip(*outputs, strict=True))
        return tensors if len(tensors) > 1 else tensors[0]

    def _request(self, x: Tensor) -> tuple[Any, bool]:
        """What computes maps of this size, and whether it takes several images at once."""
        size: tuple[int, int] | None = (x.shape[2], x.shape[3])
        if self.sizes_change or (size not in self._requests and len(self._requests) >= FIXED_SIZES):
            size = None
        if size not in self._requests:
            self._requests[size] = _compile(self.module, x.shape[1], size).create_infer_request()
        return self._requests[size], size is None


class CompiledBackbone(Backbone):
    """A backbone, compiled for each choice of its layers."""

    def __init__(self, backbone: Backbone, sizes_change: bool = False) -> None:
        super().__init__()
        self.backbone, self.sizes_change = backbone, sizes_change
        self.image_mean, self.image_std = backbone.image_mean, backbone.image_std
        self._compiled: dict[tuple[str, ...], CompiledModule] = {}

    def forward(self, image: Tensor, output_layers: Sequence[str] = ("fc",)) -> dict[str, Tensor]:
        names = tuple(output_layers)
        if names not in self._compiled:
            self.backbone._deepest(names)  # raises for unknown names
            self._compiled[names] = CompiledModule(_NamedLayers(self.backbone, names), self.sizes_change)
        maps = self._compiled[names](image)
        return dict(zip(names, maps if len(names) > 1 else (maps,), strict=True))


class _NamedLayers(nn.Module):
    """A backbone's layers as a tuple."""

    def __init__(self, backbone: Backbone, names: tuple[str, ...]) -> None:
        super().__init__()
        self.backbone, self.names = backbone, names

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        layers = self.backbone(image, self.names)
        return tuple(layers[name] for name in self.names)

    def extra_repr(self) -> str:
        return repr(self.names)


@functools.cache
def _openvino() -> Any:
    """The package, without its telemetry: nothing is ever sent anywhere."""
    # An import of it fails from here on, and OpenVINO puts a stub in its place.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino


@functools.cache
def _core() -> Any:
    return _openvino().Core()


@torch.no_grad()
def _compile(module: nn.Module, channels: int, size: tuple[int, int] | None) -> Any:
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # whatever the processor would rather compute in
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": "1",
        "ENABLE_CPU_PINNING": False,  # several processes share the cores
    }
    model = _converted(module, channels)
    if size is not None:
        model.reshape([1, channels, *size])
    return _core().compile_model(model, "CPU", settings)


def _converted(module: nn.Module, channels: int) -> Any:
    """OpenVINO's model of a module, from the cache where it is there."""
    path = cache_folder() / f"{_digest(module, channels)}.xml"
    if path.is_file() and path.with_suffix(".bin").is_file():
        return _core().read_model(path)
    example = torch.zeros(1, channels, EXAMPLE_SIZE, EXAMPLE_SIZE)
    with warnings.catch_warnings():  # that TorchScript, by which OpenVINO reads modules, is no longer developed
        warnings.simplefilter("ignore")
        model = _openvino().convert_model(module, example_input=example, input=[-1, channels, -1, -1])
    _keep(model, path)
    return model


def _keep(model: Any, path: Path) -> None:
    """Store a model, whole or not at all; where that is not possible it is converted again by the next process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            new = Path(folder) / path.name
            _openvino().save_model(model, new, compress_to_fp16=False)
            for suffix in (".bin", ".xml"):  # the one that says "complete" last
                new.with_suffix(suffix).replace(path.with_suffix(suffix))
    except (OSError, RuntimeError):  # a folder that cannot be written, a full disk
        return


def _digest(module: nn.Module, channels: int) -> str:
    """What a converted module depends on: its structure and numbers, and the versions of both packages."""
    digest = hashlib.sha256()
    for text in (torch.__version__, _openvino().__version__, str(channels), repr(module)):
        digest.update(text.encode())
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
