"""The network of a tracker: where it comes from, its preprocessing, one copy per process."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ltr.admin.network_files import find_network

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ltr.inference import Form

# Of a network's convolutions. float32 is IEEE float32 on every device; tf32 are float32 tensors whose products have
# 10 bits of mantissa.
NetworkDtype = Literal["float32", "tf32", "bfloat16", "float16"]


class NetWrapper:
    """A network of a file as it was trained, with pytracking's names: its attributes are those of the network.

    Making one is free: the file is read by `initialize()`. A relative `net_path` is looked for in the folders of the
    setting `network_path`, then among the packaged networks.
    """

    def __init__(
        self,
        net_path: str | Path,
        use_gpu: bool | None = True,  # where there is one
        initialize: bool = False,
        **net_kwargs: Any,  # of the network's constructor
    ) -> None:
        self.net_path: str | None = str(net_path)
        self.use_gpu = use_gpu
        self.net: Any = None
        self.net_kwargs = net_kwargs
        if initialize:
            self.initialize()

    def describe(self) -> dict[str, Any]:
        """What identifies the network, as plain data, without loading it."""
        return {"net_path": self.net_path, **self.net_kwargs}

    def file_hash(self) -> str | None:
        """SHA-256 of the checkpoint file; None for embedded weights, whose package version stands for them."""
        if self.net_path is None:
            return None
        from ltr.admin.checkpoint import file_sha256

        return file_sha256(find_network(self.net_path))

    def initialize(self) -> None:
        """Load the network; raises CheckpointError where that fails."""
        self.load_network()

    def load_network(self) -> None:
        """Read the file and put the network, in evaluation mode, onto its device."""
        from pytracking.utils.loading import load_network

        self.net = load_network(str(self.net_path), **self.net_kwargs).eval().to(self._own_device())

    def _own_device(self) -> str:
        import torch

        return "cuda" if self.use_gpu is not False and torch.cuda.is_available() else "cpu"

    def __getattr__(self, name: str) -> Any:
        net = self.__dict__.get("net")
        if net is None or name.startswith("__"):
            raise AttributeError(f"'{name}': the network is loaded by initialize(), which was not called")
        return getattr(net, name)


class NetWithBackbone(NetWrapper):
    """A network named by a checkpoint (`net_path`) or built by name on embedded weights (`architecture`).

    Making one is free: nothing is read before `initialize(device)`, and a process reads each network once.
    A relative `net_path` is looked for in the folders of the setting `network_path`, then among the packaged networks.
    """

    def __init__(
        self,
        net_path: str | Path | None = None,
        use_gpu: bool | None = None,  # pytracking's argument; the tracker's device decides here
        initialize: bool = False,
        image_format: str = "rgb",
        mean: tuple[float, float, float] | None = None,  # of images in 0..1; None: what the network was trained with
        std: tuple[float, float, float] | None = None,
        *,
        architecture: str | None = None,
        constructor: str | None = None,  # of a file that holds weights alone; other files name their own
        **net_kwargs: Any,
    ) -> None:
        if (net_path is None) == (architecture is None):
            raise ValueError(
                f"expected either net_path or architecture, found net_path={net_path!r}, architecture={architecture!r}"
            )
        if image_format != "rgb":
            raise ValueError(f"expected image_format 'rgb' (images are RGB everywhere here), found '{image_format}'")
        super().__init__("" if net_path is None else net_path, use_gpu, **net_kwargs)
        self.net_path = None if net_path is None else str(net_path)
        self.architecture = architecture
        self.constructor = constructor  # not described: weights fit one constructor, or are refused
        self.mean, self.std = mean, std
        self._loaded: tuple[str, str, str] | None = None  # device, dtype, form
        if initialize:
            self.initialize()

    def describe(self) -> dict[str, Any]:
        """As of the base."""
        named: dict[str, Any] = {"net_path": self.net_path, "architecture": self.architecture, "mean": self.mean}
        return {**named, "std": self.std, **self.net_kwargs}

    def initialize(
        self, device: torch.device | str | None = None, dtype: NetworkDtype = "float32", form: Form = "fast"
    ) -> None:
        """Load the network onto a device, prepared by `ltr.inference.prepare`; raises what that raises.

        Without a device it is the first GPU where there is one, unless `use_gpu` is False.
        """
        wanted = (str(_as_device(device or self._own_device())), dtype, form)
        if self.net is None or self._loaded not in (None, wanted):  # None: a network that the caller put in place
            kwargs = tuple(sorted(self.net_kwargs.items()))
            path = None if self.net_path is None else str(find_network(self.net_path))
            self.net = _load(path, self.architecture or self.constructor, kwargs, *wanted)
            self._loaded = wanted

    def extract_backbone(self, images: Tensor, layers: tuple[str, ...] | None = None) -> dict[str, Tensor]:
        """Backbone features of images (N, 3, H, W) RGB 0..255, by layer name; None: the layers that the heads need."""
        return self.net.extract_backbone_features(self.preprocess_image(images), layers)

    def preprocess_image(self, images: Tensor) -> Tensor:
        """(image / 255 - mean) / std per channel, on the device of the network."""
        import torch

        if self._loaded is not None:
            images = images.to(self._loaded[0])
        scale, offset = _normalization(
            self.mean or tuple(self.net.image_mean), self.std or tuple(self.net.image_std), images.device, images.dtype
        )
        if isinstance(scale, float):
            return torch.add(offset, images, alpha=scale)  # in one pass
        return (images * scale).add_(offset)


@functools.lru_cache(maxsize=4)
def _load(
    path: str | None, architecture: str | None, kwargs: tuple[tuple[str, Any], ...], device: str, dtype: str, form: Form
) -> nn.Module:
    from ltr.admin.loading import build_network, load_network
    from ltr.inference import prepare

    if path is None:
        net = build_network(str(architecture), **dict(kwargs))
    else:
        net, _ = load_network(path, default_constructor=architecture, **dict(kwargs))
    return prepare(net.eval(), device, dtype, form)


def _as_device(device: torch.device | str) -> torch.device:
    import torch

    device = torch.device(device)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


@functools.cache
def _normalization(
    mean: tuple[float, ...], std: tuple[float, ...], device: Any, dtype: Any
) -> tuple[Tensor | float, Tensor]:
    """Factor and offset of the channels; a factor that all have in common as a plain number."""
    import torch

    if len(set(mean)) == len(set(std)) == 1:
        return 1 / (255 * std[0]), torch.tensor(-mean[0] / std[0], device=device, dtype=dtype)
    mean_, std_ = (
        torch.tensor(values, device=device, dtype=torch.float64).reshape(1, 3, 1, 1) for values in (mean, std)
    )
    return (1 / (255 * std_)).to(dtype), (-mean_ / std_).to(dtype)
