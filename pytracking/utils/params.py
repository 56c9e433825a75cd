"""Tracker parameters: typed and checked, with a door for parameter files written for pytracking."""

import dataclasses
import difflib
import hashlib
import json
import types
import typing
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self


class TrackerParams:
    """Open bag of parameters, as pytracking's parameter files fill it.

    Any attribute may be set; the names are checked when the tracker turns the bag into its own typed parameters
    (`TypedParams.from_tracker_params`).
    """

    def set_default_values(self, default_vals: dict[str, Any]) -> None:
        """Set every parameter of the dictionary that is not there yet."""
        for name, value in default_vals.items():
            if not hasattr(self, name):
                setattr(self, name, value)

    def get(self, name: str, *default: Any) -> Any:
        """Value of a parameter; `default` where it is absent, AttributeError where there is no default."""
        return getattr(self, name, *default)

    def has(self, name: str) -> bool:
        """Whether the parameter was set."""
        return hasattr(self, name)


@dataclass(kw_only=True)
class TypedParams:
    """Base of a tracker's parameters: a dataclass that refuses unknown names and wrong types.

    Raises AttributeError, with the nearest known name, for an unknown parameter, and TypeError for a wrong type.
    """

    debug: int = 0  # 0 off, 1..3 more and more panels
    device: str | None = None  # "cpu", "cuda", "cuda:1"; None: the first GPU where there is one

    # Names that pytracking's files use for a field of another name here, and names that no code ever read.
    renamed: ClassVar[dict[str, str]] = {}
    without_effect: ClassVar[frozenset[str]] = frozenset()
    without_result: ClassVar[frozenset[str]] = frozenset({"debug", "device"})  # they change no result

    def __setattr__(self, name: str, value: Any) -> None:
        name = self._current_name(name)
        hint = _hints(type(self)).get(name)
        if hint is None:
            raise AttributeError(f"{type(self).__name__} has no parameter '{name}'{self._nearest(name)}")
        if not _matches(value, hint):
            shown = getattr(hint, "__name__", str(hint)) if isinstance(hint, type) else str(hint).replace("typing.", "")
            raise TypeError(f"parameter '{name}' of {type(self).__name__}: expected {shown}, found {value!r}")
        object.__setattr__(self, name, value)

    def get(self, name: str, *default: Any) -> Any:
        """Value of a parameter, as pytracking's `params.get`; a name that does not exist gives `default`."""
        return getattr(self, self.renamed.get(name, name), *default)

    def has(self, name: str) -> bool:
        """Whether there is such a parameter and it is set (not None)."""
        return self.get(name, None) is not None

    def replace(self, **changes: Any) -> Self:
        """Copy with some parameters changed; names and types are checked."""
        copy = dataclasses.replace(self)
        for name, value in changes.items():
            setattr(copy, name, value)
        return copy

    @classmethod
    def read_values(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as a file of data gives them, which cannot say None: "none" does, where None is allowed."""
        hints = _hints(cls)

        def read(name: str, value: Any) -> Any:
            hint = hints.get(cls.renamed.get(name, name), Any)
            return None if value == "none" and not _matches(value, hint) and _matches(None, hint) else value

        return {name: read(name, value) for name, value in values.items()}

    def to_dict(self) -> dict[str, Any]:
        """Every parameter as plain JSON data; objects with a `describe()` method are asked for theirs."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def hash(self) -> str:
        """Hash (16 hex digits) of every parameter that can change a result; `debug` and `device` are left out."""
        relevant = {name: value for name, value in self.to_dict().items() if name not in self.without_result}
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]

    @classmethod
    def from_tracker_params(cls, params: "TypedParams | TrackerParams") -> Self:
        """Typed parameters from whatever a parameter file returned.

        Raises AttributeError for a name that neither this tracker nor pytracking's version of it knows.
        """
        if isinstance(params, cls):
            return params
        if isinstance(params, TypedParams):
            raise TypeError(f"expected {cls.__name__} or TrackerParams, found {type(params).__name__}")
        typed = cls()
        for name, value in vars(params).items():
            if name in cls.without_effect:
                warnings.warn(f"parameter '{name}' has no effect and is ignored", stacklevel=2)
            else:
                typed._set_legacy(name, value)
        return typed

    def _set_legacy(self, name: str, value: Any) -> None:
        """Set a parameter of a pytracking file; trackers override this for names whose meaning changed."""
        setattr(self, name, value)

    @classmethod
    def _current_name(cls, name: str) -> str:
        if name in cls.renamed:
            warnings.warn(f"parameter '{name}' is called '{cls.renamed[name]}'", DeprecationWarning, stacklevel=3)
            return cls.renamed[name]
        return name

    @classmethod
    def _nearest(cls, name: str) -> str:
        close = difflib.get_close_matches(name, list(_hints(cls)), n=1)
        return f"; did you mean '{close[0]}'?" if close else ""


_hints_of_class: dict[type, dict[str, Any]] = {}


def _hints(cls: type) -> dict[str, Any]:
    if cls not in _hints_of_class:
        names = {field.name for field in dataclasses.fields(cls)}
        _hints_of_class[cls] = {name: hint for name, hint in typing.get_type_hints(cls).items() if name in names}
    return _hints_of_class[cls]


def _matches(value: Any, hint: Any) -> bool:  # noqa: PLR0911 (one line for each kind of annotation)
    """Whether a value has the annotated type; an int passes for a float, a list for a tuple and the reverse."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_matches(value, argument) for argument in arguments)
    if origin is Literal:
        return value in arguments
    if hint is Any:
        return True
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if origin in (tuple, list):
        if not isinstance(value, (tuple, list)):
            return False
        element = arguments[0] if origin is list or arguments[-1] is Ellipsis else None
        if element is not None:
            return all(_matches(v, element) for v in value)
        return len(value) == len(arguments) and all(_matches(v, a) for v, a in zip(value, arguments, strict=True))
    return isinstance(value, origin or hint)


def _plain(value: Any) -> Any:
    if hasattr(value, "describe"):
        return value.describe()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)  # JSON has no infinities
    return value
