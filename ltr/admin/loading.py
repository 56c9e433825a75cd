"""Networks from files: architectures are looked up by name among ours, whatever module a file names."""

import hashlib
import importlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ltr.admin.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from ltr.common.unsupported import NETWORKS, unsupported_name
from ltr.models.backbone.base import WeightsError
from ltr.models.tracking.settings import PYTRACKING_DEFAULTS, pytracking_arguments

# Constructor functions that network files may ask for: "module:function", imported when needed.
ARCHITECTURES = {
    "dimpnet18": "ltr.models.tracking.dimpnet:dimpnet18",
    "dimpnet50": "ltr.models.tracking.dimpnet:dimpnet50",
    "klcedimpnet18": "ltr.models.tracking.dimpnet:klcedimpnet18",
    "klcedimpnet50": "ltr.models.tracking.dimpnet:klcedimpnet50",
    "dimpnet_lite0": "ltr.models.tracking.dimpnet:dimpnet_lite0",
    "klcedimpnet_lite0": "ltr.models.tracking.dimpnet:klcedimpnet_lite0",
    "mdnet": "ltr.models.tracking.mdnet:mdnet",
    "mdnet_lite0": "ltr.models.tracking.mdnet:mdnet_lite0",
}

BACKBONE_PREFIX = "feature_extractor."  # of the backbone's keys in a state dict

_EPOCH_FILE = re.compile(r"(?P<net>.+)_ep(?P<epoch>\d+)\.(safetensors|pth\.tar|pth)")


def load_network(
    network_dir: str | Path | None = None,
    checkpoint: int | str | Path | None = None,
    constructor_fun_name: str | None = None,
    constructor_module: str | None = None,
    *,
    default_constructor: str | None = None,
    untrained: Sequence[str] = (),
    **kwargs: Any,
) -> tuple[nn.Module, dict[str, Any]]:
    """Network with the weights of a file, on the CPU, in training mode.

    Args:
        network_dir: network file, or folder with the epochs of a training (`DiMPnet_ep0050.pth.tar`).
        checkpoint: epoch number in the folder (default: the highest), or a file (in the folder, if not found as named).
        constructor_fun_name: architecture to build instead of the one that the file names.
        constructor_module: module to import that function from, instead of the known architectures.
        default_constructor: architecture of a file that holds weights alone, and so names none.
        untrained: modules whose weights are those of the constructor and not those of the file, for an architecture
            that differs from the file's in them, e.g. "classifier.filter_optimizer".
        kwargs: override the constructor arguments in the file. Of those, `backbone_pretrained` counts as False,
            because the file holds the backbone's weights.

    A file of heads alone (`ltr.admin.export_heads`) gets its backbone from the constructor. Arguments that a file of
    pytracking leaves out have the defaults of pytracking's constructors (`PYTRACKING_DEFAULTS`), not those of ours.

    Returns:
        The network, and the file's content: "net" (state dict), "constructor" and the training's other entries, all
        tensors and plain values.

    Raises:
        CheckpointError: file absent, unreadable, of unknown architecture, or not fitting the network.
    """
    content = read_checkpoint(find_checkpoint(network_dir, checkpoint))
    name = constructor_fun_name or content.architecture or default_constructor
    if name is None:
        raise CheckpointError(
            f"{content.path} holds weights without an architecture; give constructor_fun_name=, "
            f"one of {', '.join(ARCHITECTURES)}. In a parameter file, for example, type "
            f"NetWithBackbone(net_path='{content.path.name}', constructor='dimpnet50'); or make a file that names it, "
            f"and use that:\n"
            f"  python -m ltr.admin.convert_checkpoint {content.path} --architecture dimpnet50"
        )
    heads_only = "backbone_sha256" in content.info
    replaced = "backbone_pretrained" in content.kwargs and not heads_only
    arguments = content.kwargs | ({"backbone_pretrained": False} if replaced else {}) | kwargs
    fills_in = content.pytracking_defaults and constructor_module is None and name in PYTRACKING_DEFAULTS
    try:
        constructor = _constructor(name, constructor_module)
        if fills_in:
            constructor = partial(_build_as_pytracking, constructor, name)
        net = _build(constructor, name, content.args, arguments)
    except CheckpointError as error:
        raise CheckpointError(f"{content.path}: {error}") from error
    state_dict = _with_backbone(content, net) if heads_only else content.state_dict
    state_dict = _with_untrained(state_dict, net.state_dict(), untrained)
    try:
        net.load_state_dict(state_dict, strict=True)
    except RuntimeError as error:
        report = mismatch_report(net.state_dict(), state_dict) or f"\n{error}"
        raise CheckpointError(f"{content.path} does not fit the network {name}:{report}") from None
    return net, content.as_dict()


def build_network(architecture: str, *args: Any, **kwargs: Any) -> nn.Module:
    """Network of a known architecture with the weights that its constructor gives it.

    Raises:
        CheckpointError: unknown architecture, or arguments that its constructor does not take.
    """
    return _build(_constructor(architecture, None), architecture, args, kwargs)


def find_checkpoint(network_dir: str | Path | None = None, checkpoint: int | str | Path | None = None) -> Path:
    """The file that `load_network` reads for these arguments; a path that does not exist is returned as given.

    Raises:
        CheckpointError: no epoch file, or several, in the folder.
    """
    if isinstance(checkpoint, str | Path):
        path = Path(checkpoint).expanduser()
        inside = path if network_dir is None else Path(network_dir).expanduser() / path
        return path if path.exists() else inside
    if network_dir is None:
        raise CheckpointError("give network_dir= (network file or folder with epoch files) or checkpoint= (file).")
    folder = Path(network_dir).expanduser()
    if not folder.is_dir():
        return folder
    return _epoch_file(folder, checkpoint)


def backbone_digest(state_dict: Mapping[str, Tensor]) -> str:
    """SHA-256 over the backbone's tensors."""
    digest = hashlib.sha256()
    for key in sorted(key for key in state_dict if key.startswith(BACKBONE_PREFIX)):
        digest.update(key.encode() + state_dict[key].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def mismatch_report(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """Missing keys, unexpected keys and differing shapes, counted and grouped by module; empty when all agree."""
    other_shape = [
        f"{key} (file {tuple(found[key].shape)}, network {tuple(expected[key].shape)})"
        for key in expected
        if key in found and found[key].shape != expected[key].shape
    ]
    return (
        _grouped("missing in the file", [key for key in expected if key not in found])
        + _grouped("unknown to the network", [key for key in found if key not in expected])
        + _grouped("of another shape", other_shape)
    )


def _with_backbone(content: Checkpoint, net: nn.Module) -> dict[str, Tensor]:
    """State dict of a file without backbone, completed by the network's own."""
    own = net.state_dict()
    if backbone_digest(own) != content.info["backbone_sha256"]:
        raise CheckpointError(
            f"{content.path} holds heads that were trained on other backbone weights than those of this installation; "
            "install the version of the backbone's package that setup asks for"
        )
    return {key: value for key, value in own.items() if key.startswith(BACKBONE_PREFIX)} | content.state_dict


def _with_untrained(
    state_dict: dict[str, Tensor], own: Mapping[str, Tensor], modules: Sequence[str]
) -> dict[str, Tensor]:
    """State dict whose entries of these modules are the network's own."""
    prefixes = tuple(f"{name}." for name in modules)
    kept = {key: value for key, value in state_dict.items() if not key.startswith(prefixes)}
    return kept | {key: value for key, value in own.items() if key.startswith(prefixes)}


def _grouped(title: str, entries: Iterable[str], max_groups: int = 8, max_entries: int = 3) -> str:
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        modules = entry.split(" ")[0].split(".")[:-1]
        groups[".".join(modules[:2])].append(entry)
    if not groups:
        return ""
    lines = [f"\n  {sum(map(len, groups.values()))} {title}:"]
    for prefix, members in list(groups.items())[:max_groups]:
        more = f", ... ({len(members)} in {prefix})" if len(members) > max_entries else ""
        lines.append(f"\n    {', '.join(members[:max_entries])}{more}")
    if len(groups) > max_groups:
        lines.append(f"\n    ... and {len(groups) - max_groups} more modules")
    return "".join(lines)


def _epoch_file(folder: Path, epoch: int | None) -> Path:
    epochs: dict[int, dict[str, Path]] = defaultdict(dict)
    # A conversion comes last and so replaces its original in the table.
    for path in sorted(folder.iterdir(), key=lambda path: (path.suffix == ".safetensors", path.name)):
        match = _EPOCH_FILE.fullmatch(path.name)
        if match:
            epochs[int(match["epoch"])][match["net"]] = path
    wanted = max(epochs, default=None) if epoch is None else epoch
    found = {} if wanted is None else epochs.get(wanted, {})
    if len(found) != 1:
        problem = "several networks" if found else "no network"
        of_epoch = "with an epoch in its name" if wanted is None else f"of epoch {wanted}"
        present = sorted(path.name for path in folder.iterdir() if path.suffix in (".pth", ".tar", ".safetensors"))
        raise CheckpointError(
            f"{folder} holds {problem} {of_epoch} (like DiMPnet_ep0050.pth.tar or .safetensors); "
            f"name one network file. It holds: {', '.join(present[:10]) or 'no network files'}."
        )
    return next(iter(found.values()))


def _constructor(name: str, module: str | None) -> Callable[..., nn.Module]:
    if module is None:
        if method := NETWORKS.get(name):
            raise CheckpointError(unsupported_name(name, f"is the network of {method}", ARCHITECTURES))
        if name not in ARCHITECTURES:
            raise CheckpointError(f"the architecture {name!r} is unknown; known: {', '.join(ARCHITECTURES)}.")
        module, name = ARCHITECTURES[name].split(":")
    constructor: Callable[..., nn.Module] = getattr(importlib.import_module(module), name)
    return constructor


def _build_as_pytracking(constructor: Callable[..., nn.Module], name: str, *args: Any, **kwargs: Any) -> nn.Module:
    return constructor(**pytracking_arguments(name, args, kwargs))


def _build(
    constructor: Callable[..., nn.Module], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> nn.Module:
    try:
        return constructor(*args, **kwargs)
    except WeightsError:
        raise
    except (TypeError, ValueError) as error:
        given = [*map(repr, args), *(f"{key}={value!r}" for key, value in kwargs.items())]
        raise CheckpointError(f"{name} cannot be built with the arguments ({', '.join(given)}): {error}.") from error
