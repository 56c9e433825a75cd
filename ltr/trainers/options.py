"""Options of a training: a dataclass per settings module, whose fields the command line sets as name=value."""

from __future__ import annotations

import contextlib
import dataclasses
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from ltr.common.errors import InputError, unknown_name


@dataclass(kw_only=True)
class TrainingOptions:
    """What every training has; settings modules subclass it, change defaults and add fields."""

    # Options that do not change the trained network: a training may be continued with other values of them.
    without_effect: ClassVar[frozenset[str]] = frozenset(
        ("name", "workspace", "device", "num_workers", "checkpoint_interval", "keep_checkpoints", "tensorboard")
    )

    epochs: int = 50
    batch_size: int = 10  # samples (sequences) per step and process
    seed: int = 0
    device: str | None = None  # None: the first GPU where there is one, otherwise the CPU
    amp: Literal["off", "float16", "bfloat16"] = "off"  # mixed precision; float16 with loss scaling, on a GPU only
    clip_grad_norm: float | None = None  # largest norm of the whole gradient
    val_interval: int = 5  # epochs between validations; 0: never
    max_bad_share: float = 0.1  # of the samples drawn may be unreadable; more stop the training
    cudnn_benchmark: bool = True
    name: str = ""  # keeps several trainings of a module apart
    workspace: Path | None = None  # None: the setting workspace_path
    # Processes that prepare samples. None: one per core but one, 8 at most; 0: this process.
    num_workers: int | None = None
    # Iterations between two saves of the state inside an epoch; 0: only at its end.
    checkpoint_interval: int = 0
    keep_checkpoints: int = 0  # newest networks kept; 0: all
    tensorboard: bool = True

    def __post_init__(self) -> None:
        """Raises InputError for values out of range."""
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0), ("val_interval", 0)):
            self._check(name, least)
        for name in ("checkpoint_interval", "keep_checkpoints"):
            self._check(name, 0)
        if self.num_workers is not None:
            self._check("num_workers", 0)
        if self.clip_grad_norm is not None and not self.clip_grad_norm > 0:
            raise InputError(f"expected clip_grad_norm > 0 or none, found {self.clip_grad_norm}")
        if not 0 <= self.max_bad_share <= 1:
            raise InputError(f"expected max_bad_share from 0 to 1, found {self.max_bad_share}")
        if Path(self.name).name != self.name or self.name.startswith("."):
            raise InputError(f"expected a name that can be part of a folder's name, found {self.name!r}")

    def _check(self, name: str, least: int) -> None:
        if getattr(self, name) < least:
            raise InputError(f"expected {name} >= {least}, found {getattr(self, name)}")


_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

OptionsT = TypeVar("OptionsT", bound=TrainingOptions)


def parse_overrides(cls: type[OptionsT], overrides: Iterable[str]) -> OptionsT:
    """Options of a class from `name=value` texts, by the types of its fields; the others keep their defaults.

    Numbers, texts and paths stand as they are, `true`/`false` for bool, `none` where None is allowed, tuples as
    `1,2,3`. Raises InputError for an unknown name (naming the nearest), another form and a value of another type.
    """
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]
    values: dict[str, Any] = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"expected name=value, found '{text}'")
        if name not in names:
            raise unknown_name("option", name, names)
        if name in values:
            raise InputError(f"option {name} is given twice: {values[name]!r} and '{value}'")
        try:
            values[name] = parse_value(hints[name], value)
        except ValueError:
            raise InputError(f"option {name}: expected {describe_type(hints[name])}, found '{value}'") from None
    return cls(**values)


def parse_value(kind: Any, text: str) -> Any:
    """Value of a type from its text. Raises ValueError where the text is none of that type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(arguments, text)
    if origin is Literal:
        return _one_of({str(choice): choice for choice in arguments}, text)
    if origin in (tuple, list):
        return origin(parse_value(item, part.strip()) for item, part in _items(arguments, text))
    if kind is type(None):
        return _one_of({"none": None}, text.lower())
    if kind is bool:
        return _one_of(_BOOLEANS, text.lower())
    return Path(text).expanduser().absolute() if kind is Path and text else _number_or_text(kind, text)


def describe_type(kind: Any) -> str:
    """The type as a person is told what to type: `an int`, `off, float16 or bfloat16`, `a float or none`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if argument is type(None) else describe_type(argument) for argument in arguments)
    if origin is Literal:
        return ", ".join(map(str, arguments[:-1])) + f" or {arguments[-1]}"
    if origin in (tuple, list):
        return f"values between commas, each {describe_type(arguments[0])}"
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", Path: "a path"}
    return names.get(kind, f"nothing (a {kind} cannot be set on the command line)")


def result_options(options: TrainingOptions) -> dict[str, Any]:
    """Values, as JSON data, of the options that change the trained network."""
    return {name: value for name, value in all_options(options).items() if name not in options.without_effect}


def all_options(options: TrainingOptions) -> dict[str, Any]:
    """Values of all options, as JSON data."""
    return {field.name: _plain(getattr(options, field.name)) for field in dataclasses.fields(options)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _first_that_fits(kinds: tuple[Any, ...], text: str) -> Any:
    # None comes first, so that `none` is not taken for a text.
    for kind in sorted(kinds, key=lambda kind: kind is not type(None)):
        with contextlib.suppress(ValueError):
            return parse_value(kind, text)
    raise ValueError(text)


def _one_of(values: dict[str, Any], text: str) -> Any:
    if text not in values:
        raise ValueError(text)
    return values[text]


def _number_or_text(kind: Any, text: str) -> Any:
    if kind not in (int, float, str):
        raise ValueError(text)
    return kind(text)


def _items(kinds: tuple[Any, ...], text: str) -> list[tuple[Any, str]]:
    parts = text.strip("()[] ").split(",") if text.strip("()[] ") else []
    if len(kinds) == 1 or kinds[-1] is Ellipsis:
        return [(kinds[0], part) for part in parts]
    return list(zip(kinds, parts, strict=True))
