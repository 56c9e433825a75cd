"""Files of torch.save that pickle classes, read without importing or calling anything they name.

`torch.load(weights_only=True)` refuses DiMP training files, because besides tensors they hold settings, statistics
and the network's constructor. Here the names in a file are listed first. Names of the tracking code bases get an
empty class made for that one call, numpy scalars and arrays get readers that know only numbers, every other name is
refused; then the same `weights_only` loader reads the file, and plain containers are made of the result.
"""

import io
import pickle
import pickletools
import re
import threading
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from ltr.common.errors import InputError


class CheckpointError(InputError):
    """A network file is absent, not what it should be, or does not fit; the message says what to do."""


class PickledObject:
    """What is left of an object of a class that only the file knows: its arguments and its state."""

    __slots__ = ("args", "state")
    pickled_name = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> "PickledObject":
        self = super().__new__(cls)
        self.args, self.state = args, {}
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _NumpyDtype:
    __slots__ = ("byteorder", "code")

    def __init__(self, code: str, *_copy_flags: Any) -> None:
        self.code, self.byteorder = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.byteorder = state[1]

    def dtype(self) -> np.dtype[Any]:
        if not re.fullmatch(r"[?biufc]\d{0,2}", self.code):  # an object dtype would hold pointers
            raise ValueError(f"numpy dtype {self.code!r} is not a number type")
        return np.dtype(self.byteorder + self.code)


class _NumpyArray:
    __slots__ = ("state",)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def array(self) -> np.ndarray[Any, Any]:
        _version, shape, dtype, fortran, data = self.state
        return np.frombuffer(data, dtype.dtype()).reshape(shape, order="F" if fortran else "C").copy()


def _numpy_scalar(dtype: _NumpyDtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype.dtype(), count=1)[0].item()


def _new_numpy_array(*_args: Any) -> _NumpyArray:
    return _NumpyArray()


_NUMPY: dict[str, Callable[..., Any]] = {"numpy.dtype": _NumpyDtype, "numpy.ndarray": _NumpyArray}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # numpy 1 and 2
    _NUMPY[f"{_module}.scalar"] = _numpy_scalar
    _NUMPY[f"{_module}._reconstruct"] = _new_numpy_array

_STAND_IN_PREFIXES = ("ltr.", "dlframework.", "pytracking.")  # dlframework: the name of ltr before its first release

# What the weights_only loader itself resolves, and to data only.
_TORCH_DATA = re.compile(
    r"collections\.(OrderedDict|Counter)|_codecs\.encode|builtins\.(bytearray|set|complex)"
    r"|torch\.(Size|Tensor|device)|torch\.nn\.parameter\.Parameter|torch\._utils\._rebuild_\w+"
    r"|torch\._tensor\._rebuild_from_type_v2|torch\.serialization\._get_layout|torch\.(cuda\.|storage\.)?\w+Storage"
)

_ZIP_MAGIC = b"PK\x03\x04"
# torch.save without zip starts with its magic number 0x1950a86a20f9469cfc6c, pickled.
_LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_LEGACY_PICKLES = 5  # magic number, version, machine, the object, storage keys; raw tensor data follow

_SAVE_TENSORS_ALONE = (
    "If you trust the file, load it in the program that wrote it and save its tensors alone: "
    "torch.save({'net': state_dict}, 'weights.pth')."
)

_globals_lock = threading.Lock()  # torch keeps one list of safe globals per process


def load_plain(path: str | Path) -> Any:
    """Content of a `torch.save` file as tensors (on the CPU), numbers, strings and plain containers.

    An object of an unknown class of the tracking code bases becomes the dict of its attributes, with its class name
    under "pickled_class" and constructor arguments, if any, under "pickled_args".

    Raises:
        CheckpointError: the file is empty, damaged, of another kind, or names anything that is not data.
    """
    path = Path(path)
    names = pickled_names(path)
    refused = sorted(name for name in names if not is_plain_data(name) and not name.startswith(_STAND_IN_PREFIXES))
    if refused:
        listed = ", ".join(map(repr, refused[:5])) + (f" and {len(refused) - 5} more" if len(refused) > 5 else "")
        raise CheckpointError(
            f"{path} is refused, and nothing in it was run: a network file needs tensors and plain values, "
            f"but this one names {listed}. {_SAVE_TENSORS_ALONE}"
        )
    stand_ins: dict[str, Callable[..., Any]] = {
        name: type("PickledObject", (PickledObject,), {"__slots__": (), "pickled_name": name})
        for name in names
        if name.startswith(_STAND_IN_PREFIXES)
    }
    try:
        # An open file, because torch.load would choose another reader by the suffix of a path.
        with path.open("rb") as file, _only_safe_globals({**_NUMPY, **stand_ins}):
            content = torch.load(file, map_location="cpu", weights_only=True)
        return _plain(content, {})
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        # torch's own text advises weights_only=False, which is the wrong thing to do; only its reason is shown.
        reason = str(error).split("WeightsUnpickler error: ")[-1].split("\n\nCheck the documentation")[0].strip()
        raise CheckpointError(f"{path} is refused by torch's safe loader: {reason}\n{_SAVE_TENSORS_ALONE}") from None
    except Exception as error:  # damaged bytes surface in torch's loader as nearly any exception
        raise CheckpointError(_damaged(path, error)) from error


def pickled_names(path: Path) -> set[str]:
    """Qualified names of all classes and functions that a `torch.save` file (zip or older) refers to; loads nothing.

    Raises:
        CheckpointError: the file is not one of torch.save.
    """
    with path.open("rb") as file:
        head = file.read(512)
        _refuse_other_kinds(path, head)
        try:
            if head.startswith(_ZIP_MAGIC):
                return _names_in_pickle(io.BytesIO(_pickle_of_zip(path)), path)
            file.seek(0)
            return set().union(*(_names_in_pickle(file, path) for _ in range(_LEGACY_PICKLES)))
        except CheckpointError:
            raise
        except Exception as error:  # zipfile and pickletools answer damaged bytes with nearly any exception
            raise CheckpointError(_damaged(path, error)) from error


def is_plain_data(name: str) -> bool:
    """Whether a pickled name stands for tensors, numbers and containers only, which every reader of ours accepts."""
    module, _, leaf = name.rpartition(".")
    is_dtype = module == "torch" and isinstance(vars(torch).get(leaf), torch.dtype)
    return is_dtype or name in _NUMPY or _TORCH_DATA.fullmatch(name) is not None


def _refuse_other_kinds(path: Path, head: bytes) -> None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    problem = ""
    if not head:
        problem = "is empty: its download failed; delete it and download again"
    elif text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        problem = (
            "is a web page, not a network: Google Drive answers large downloads with a page that asks first. "
            "Open the link in a browser and confirm the download"
        )
    elif text.startswith(b"version https://git-lfs"):
        problem = "is a git-lfs pointer, not the file itself; run 'git lfs pull'"
    elif head[257:262] == b"ustar" or head.startswith(b"\x1f\x8b"):
        problem = (
            "is a tar or gzip archive. Official .pth.tar files are no archives in spite of their name: use the file "
            "as it was downloaded, or, if somebody packed it, unpack this archive and give the file inside"
        )
    elif not (head.startswith(_ZIP_MAGIC) or (head[:1] == b"\x80" and head[2:].startswith(_LEGACY_MAGIC))):
        what = "a pickle that torch.save did not write" if head[:1] == b"\x80" else f"unknown ({head[:8]!r} ...)"
        problem = f"is {what}; expected a file of torch.save with its default pickle protocol, or safetensors"
    if problem:
        raise CheckpointError(f"{path} {problem}.")


def _pickle_of_zip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if any(name.endswith("/constants.pkl") for name in members):
            raise CheckpointError(f"{path} is a TorchScript program; expected a state dict or a training checkpoint.")
        pickles = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise CheckpointError(
                f"{path} is a zip archive that torch.save did not write (it holds {', '.join(members[:3])}); "
                "unpack it and give the network file inside."
            )
        return archive.read(pickles[0])


def _names_in_pickle(stream: BinaryIO, path: Path) -> set[str]:
    """Names in the pickle at the stream's position, Python 2 spellings mapped as unpicklers do; stops behind it."""
    names = set()
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "GLOBAL":
            module, name = str(argument).split(" ", 1)
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
            names.add(f"{module}.{name}")
        elif opcode.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):
            raise CheckpointError(
                f"{path} is refused, and nothing in it was run: it names classes with the pickle instruction "
                f"{opcode.name}, which torch.save uses only with another pickle_protocol than its default 2. "
                f"{_SAVE_TENSORS_ALONE}"
            )
    return names


@contextmanager
def _only_safe_globals(named: dict[str, Callable[..., Any]]) -> Iterator[None]:
    """Exactly these globals on top of torch's own; what the program allowed elsewhere is set aside meanwhile."""
    with _globals_lock:
        before = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals([(stand_in, name) for name, stand_in in named.items()])
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


def _plain(value: Any, memo: dict[int, Any]) -> Any:
    """Copy with plain containers; `memo` keeps shared and self-referring containers shared."""
    if value is None or isinstance(value, Tensor | bool | int | float | complex | str | bytes | bytearray):
        return value
    if isinstance(value, torch.Size | torch.dtype | torch.device):
        return value
    if id(value) in memo:
        return memo[id(value)]
    copied: Any
    if isinstance(value, dict):
        memo[id(value)] = copied = {}
        copied.update((_plain_key(key), _plain(item, memo)) for key, item in value.items())
    elif isinstance(value, list):
        memo[id(value)] = copied = []
        copied.extend(_plain(item, memo) for item in value)
    elif isinstance(value, PickledObject):
        memo[id(value)] = copied = {"pickled_class": value.pickled_name}
        copied.update({"pickled_args": _plain(value.args, memo)} if value.args else {})
        copied.update(_attributes(value.state, memo))
    elif isinstance(value, tuple):
        memo[id(value)] = copied = tuple(_plain(item, memo) for item in value)
    elif isinstance(value, set):
        copied = {_plain_key(item) for item in value}
    elif isinstance(value, _NumpyArray):
        copied = value.array()
    elif isinstance(value, type) and issubclass(value, PickledObject):
        copied = value.pickled_name
    else:
        copied = str(value)
    return copied


def _attributes(state: Any, memo: dict[int, Any]) -> dict[Any, Any]:
    if isinstance(state, tuple) and len(state) == 2 and all(part is None or isinstance(part, dict) for part in state):
        state = {**(state[0] or {}), **(state[1] or {})}  # pickle's pair for classes with __slots__
    if not isinstance(state, dict):
        return {"pickled_state": _plain(state, memo)}
    return {_plain_key(key): _plain(item, memo) for key, item in state.items()}


def _plain_key(key: Any) -> Any:
    return key if key is None or isinstance(key, str | int | float | bytes) else str(key)


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{path} ({path.stat().st_size:,} bytes) is damaged or incomplete; delete it and download it again. "
        f"The reader said: {type(error).__name__}: {error}"
    )
