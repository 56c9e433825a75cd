"""Network files: what is in them, where the published ones come from, and writing our own.

Three kinds are read: `.pth`/`.pth.tar` of torch.save (DiMP's training files, the older format without zip included),
`.safetensors` with the architecture in its metadata, and the VGG-M of MatConvNet, `imagenet-vgg-m.mat`. No class or
function named in a file is imported or run.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ltr.admin.mdnet_files import MATLAB_MARK, is_rt_mdnet, mdnet_arguments, mdnet_state_dict, read_vgg_m
from ltr.admin.safe_unpickling import CheckpointError, is_plain_data, load_plain, pickled_names
from ltr.common.environment import config_file
from ltr.common.files import replacing

__all__ = [
    "PUBLISHED_NETWORKS",
    "Checkpoint",
    "CheckpointError",
    "conversion_of",
    "file_sha256",
    "read_checkpoint",
    "save_checkpoint",
]

_DRIVE = "https://drive.google.com/file/d/"

PUBLISHED_NETWORKS = {
    "dimp18.pth": _DRIVE + "1MAjrRJDCbL0DSjUKFyDkUuYS1-cYBNjk",
    "dimp50.pth": _DRIVE + "1qgachgqks2UGjKx-GdO1qylBDdB1f9KN",
    "dimp50_got10k.pth.tar": _DRIVE + "1KlE2SU6qoCtV2Md4ueX51ACnSJ7zCNUJ",  # trained on GOT-10k alone
    "super_dimp.pth.tar": _DRIVE + "1qDptswis2FxihLRYLVRGDvx6aUoAVVLv",
    "prdimp18.pth.tar": _DRIVE + "1ycm3Uu63j-uCkz4qt0SG6rY_k5UFlhVo",
    "prdimp50.pth.tar": _DRIVE + "1zbQUVXKsGvBEOc-I1NuGU6yTMPth_aI5",
    "rt-mdnet.pth": "https://www.dropbox.com/s/lr8uft05zlo21an/rt-mdnet.pth",
    "imagenet-vgg-m.mat": "https://www.vlfeat.org/matconvnet/pretrained",
}

# Where the state dict stands in files of torch.save: DiMP training files and RT-MDNet.
_STATE_DICT_ENTRIES = ("net", "shared_layers")


@dataclass(frozen=True)
class Checkpoint:
    """One network file, reduced to tensors and plain values."""

    path: Path
    state_dict: dict[str, Tensor]
    architecture: str | None = None  # name of the constructor function; None where the file holds weights alone
    kwargs: dict[str, Any] = field(default_factory=dict)  # the constructor's keyword arguments
    args: tuple[Any, ...] = ()  # and its positional ones
    info: dict[str, Any] = field(default_factory=dict)  # everything else: epoch, settings, stats, optimizer, ...
    pytracking_defaults: bool = False  # whether arguments that it leaves out have those of pytracking's constructors

    def as_dict(self) -> dict[str, Any]:
        """The checkpoint in the form of a DiMP training file: "net", "constructor" and the entries of `info`."""
        constructor = {"fun_name": self.architecture, "args": self.args, "kwds": self.kwargs}
        return {"net": self.state_dict, "constructor": constructor if self.architecture else None, **self.info}


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Network file of torch.save, safetensors or MatConvNet (VGG-M), recognized by its content; tensors are on the CPU.

    Where a file `x.pth` is absent and its conversion `x.safetensors` is beside it, the conversion is read.

    Raises:
        CheckpointError: no such file (with the place where it is published), another kind of file, damaged, or
            refused because it names code.
    """
    path = _existing(path)
    with path.open("rb") as file:
        head = file.read(9)
    # safetensors: 8 bytes of header length, then the header, which is JSON
    if head[8:] == b"{":
        return _read_safetensors(path)
    if head == MATLAB_MARK:
        return Checkpoint(path, read_vgg_m(path), "mdnet", {"num_branches": 0, "with_fully_connected": False})
    return _from_torch_file(path, load_plain(path))


def save_checkpoint(
    path: str | Path,
    net: nn.Module | Mapping[str, Tensor],
    architecture: str | None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    args: tuple[Any, ...] = (),
    info: Mapping[str, Any] | None = None,
    pytracking_defaults: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a network file that `read_checkpoint` reads back, atomically; the suffix of `path` chooses the format.

    `.safetensors` holds the network and JSON values; `.pth` and `.pth.tar` hold tensors in `info` as well (the
    optimizer's state). `kwargs`, `args` and `info` are plain values; JSON turns tuples into lists. What `kwargs`
    leaves out has this project's defaults, with `pytracking_defaults` pytracking's; in `.pth` files always the latter.

    Raises:
        FileExistsError: the file exists and `overwrite` is off.
        ValueError: another suffix, or values that the format cannot hold.
    """
    path = Path(path).expanduser()
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name, or overwrite it with overwrite=True (--overwrite).")
    tensors = net.state_dict() if isinstance(net, nn.Module) else net
    # Each tensor gets memory of its own: safetensors refuses shared memory, torch.save would write whole buffers.
    state_dict = {key: tensor.detach().cpu().clone().contiguous() for key, tensor in tensors.items()}
    checkpoint = Checkpoint(
        path, state_dict, architecture, dict(kwargs or {}), args, dict(info or {}), pytracking_defaults
    )
    taken = {"net", "constructor"} & checkpoint.info.keys()
    if taken:
        raise ValueError(f"info must not hold {sorted(taken)}: the network itself is stored under these names")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        if path.suffix == ".safetensors":
            _write_safetensors(temporary, checkpoint)
        elif path.name.endswith((".pth", ".pth.tar")):
            _write_torch_file(temporary, checkpoint)
        else:
            raise ValueError(f"{path}: expected a name ending in .safetensors, .pth or .pth.tar")
    return path


def file_sha256(path: str | Path) -> str:
    """SHA-256 of the file that `read_checkpoint` reads for this path, as hexadecimal digits.

    Raises:
        CheckpointError: no such file.
    """
    with _existing(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def conversion_of(path: Path) -> Path:
    """Name of the safetensors file that the conversion of `path` makes by default."""
    return path.with_name(re.sub(r"\.pth(\.tar)?$", "", path.name) + ".safetensors")


def _existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; expected a network file.")
    found = next((candidate for candidate in (path, conversion_of(path)) if candidate.is_file()), None)
    if found is None:
        raise CheckpointError(_missing(path))
    return found


def _from_torch_file(path: Path, content: Any) -> Checkpoint:
    if not isinstance(content, dict):
        found = type(content).__name__
        raise CheckpointError(f"{path} holds one {found}; expected a training checkpoint or a state dict.")
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return _weights_alone(path, content, {})
    entry = next((name for name in _STATE_DICT_ENTRIES if isinstance(content.get(name), dict)), None)
    if entry is None:
        found = ", ".join(map(str, list(content)[:8])) or "nothing"
        raise CheckpointError(
            f"{path} is not a network checkpoint: expected an entry 'net' (DiMP training files), 'shared_layers' "
            f"(RT-MDNet) or tensors alone, found {found}."
        )
    info = {str(key): value for key, value in content.items() if key not in (entry, "constructor")}
    constructor = content.get("constructor")
    if constructor is None:
        return _weights_alone(path, content[entry], info)
    fields = constructor if isinstance(constructor, dict) else {}
    return _with_constructor(
        Checkpoint(path, _state_dict(path, content[entry]), info=info, pytracking_defaults=True),
        fields.get("fun_name"),
        fields.get("kwds"),
        fields.get("args"),
    )


def _weights_alone(path: Path, tensors: dict[Any, Any], info: dict[str, Any]) -> Checkpoint:
    """A state dict without a constructor; one of MDNet tells by its keys how that was called."""
    state_dict = _state_dict(path, tensors)
    if is_rt_mdnet(state_dict):
        state_dict = mdnet_state_dict(state_dict)
    if (arguments := mdnet_arguments(state_dict)) is not None:
        return Checkpoint(path, state_dict, "mdnet", arguments, info=info)
    return Checkpoint(path, state_dict, info=info)


def _with_constructor(checkpoint: Checkpoint, name: Any, kwargs: Any, args: Any) -> Checkpoint:
    """The checkpoint with its architecture, after checking the types of what the file says about it."""
    kwargs, args = ({} if kwargs is None else kwargs), (() if args is None else args)
    well_formed = isinstance(name, str) and isinstance(args, tuple | list) and isinstance(kwargs, dict)
    if not (well_formed and all(isinstance(key, str) for key in kwargs)):
        raise CheckpointError(
            f"{checkpoint.path}: its constructor is malformed: expected a function name, keyword arguments and "
            f"positional arguments, found {name!r:.80}, {kwargs!r:.80}, {args!r:.80}."
        )
    return replace(checkpoint, architecture=name, kwargs=kwargs, args=tuple(args))


def _state_dict(path: Path, tensors: dict[Any, Any]) -> dict[str, Tensor]:
    for key, tensor in tensors.items():
        if not (isinstance(key, str) and isinstance(tensor, Tensor)):
            found = f"{key!r:.80}: {type(tensor).__name__}"
            raise CheckpointError(f"{path}: expected names and tensors in its state dict, found {found}.")
    return {key: tensor.detach() for key, tensor in tensors.items()}


def _read_safetensors(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state_dict = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
        described = {key: json.loads(metadata[key]) for key in ("kwargs", "args", "info") if key in metadata}
        info = described.get("info", {})
        info.update((key, metadata[key]) for key in ("source_file", "source_sha256") if key in metadata)
    except (SafetensorError, ValueError, RecursionError, AttributeError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or no safetensors file; download or convert it again. "
            f"The reader said: {type(error).__name__}: {error}"
        ) from error
    checkpoint = Checkpoint(path, state_dict, info=info, pytracking_defaults=metadata.get("defaults") == "pytracking")
    if "architecture" not in metadata:
        return checkpoint
    return _with_constructor(checkpoint, metadata["architecture"], described.get("kwargs"), described.get("args"))


def _write_safetensors(path: Path, checkpoint: Checkpoint) -> None:
    from safetensors.torch import save

    info = dict(checkpoint.info)
    metadata = {"format": "pt"}
    metadata.update((key, str(info.pop(key))) for key in ("source_file", "source_sha256") if key in info)
    try:
        described = {"kwargs": checkpoint.kwargs, "args": checkpoint.args, "info": info}
        metadata.update((key, json.dumps(value)) for key, value in described.items())
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{checkpoint.path.name}: kwargs, args and info of a .safetensors file are JSON values: {error}; "
            "leave the others out, or write a .pth.tar file, which also holds tensors"
        ) from error
    if checkpoint.architecture is not None:
        metadata["architecture"] = checkpoint.architecture
    if checkpoint.pytracking_defaults:
        metadata["defaults"] = "pytracking"
    # save_file would make a file that its owner alone may read.
    path.write_bytes(save(checkpoint.state_dict, metadata))


def _write_torch_file(path: Path, checkpoint: Checkpoint) -> None:
    with path.open("wb") as file:  # an open file, because torch writes the name of a path into the archive
        torch.save(checkpoint.as_dict(), file)
    objects = sorted(name for name in pickled_names(path) if not is_plain_data(name))
    if objects:
        raise ValueError(
            f"{checkpoint.path.name}: kwargs, args and info are tensors and plain values, "
            f"found objects of {', '.join(objects)}, which could not be read back safely"
        )


def _missing(path: Path) -> str:
    if path.name in PUBLISHED_NETWORKS:
        where = f"It is published at {PUBLISHED_NETWORKS[path.name]}."
    else:
        table = "".join(f"\n  {name:22} {place}" for name, place in PUBLISHED_NETWORKS.items())
        where = f"Published networks:{table}\n"
    return (
        f"network file {path} does not exist. {where} Put network files into the folder named by network_path "
        f"(in {config_file()}, or the environment variable PYTRACKING_NETWORK_PATH)."
    )
