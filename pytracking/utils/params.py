"""Tracker parameters: typed and checked, with a door for parameter files written for pytracking."""

import dataclasses
import hashlib
import json
import math
import random
import types
import typing
import warnings
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from ltr.common.errors import InputError, nearest

DEEPEST = 4  # objects within objects that are described


@dataclass(frozen=True)
class Bounds:
    """Which numbers a parameter may have; the note on the type of its field, as in `Annotated[float, Bounds(0, 1)]`."""

    least: float | None = None
    most: float | None = None
    above: float | None = None  # exclusive

    def __contains__(self, value: float) -> bool:
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and abs(value) < float("inf")
        )

    def __str__(self) -> str:
        if self.above is not None:
            return f"a number above {self.above:g}" + ("" if self.most is None else f", at most {self.most:g}")
        return f"a number from {self.least:g} " + ("on" if self.most is None else f"to {self.most:g}")


Positive = Annotated[float, Bounds(above=0)]
NonNegative = Annotated[float, Bounds(least=0)]
AtLeastOne = Annotated[float, Bounds(least=1)]
Share = Annotated[float, Bounds(least=0, most=1)]
PositiveShare = Annotated[float, Bounds(above=0, most=1)]
PositiveInt = Annotated[int, Bounds(least=1)]
Count = Annotated[int, Bounds(least=0)]


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


class FeatureParams(types.SimpleNamespace):
    """Open bag of the parameters of features; lists become a `TensorList`, as in pytracking."""

    def __init__(self, **values: Any) -> None:
        from pytracking.libs.tensorlist import TensorList

        lists = {name: TensorList(value) for name, value in values.items() if isinstance(value, list)}
        super().__init__(**values | lists)


class Chance:
    """What `Choice` draws from; a run sets it to the same state each time that it reads its parameters."""

    def __init__(self) -> None:
        self.is_used = False  # since it was set
        self._random = random.Random(0)

    def seed(self, seed: int) -> None:
        """Begin again."""
        self.is_used = False
        self._random.seed(seed)

    def choice(self, values: SequenceOf[Any]) -> Any:
        """One of the values."""
        self.is_used = True
        return self._random.choice(values)


chance = Chance()


def Choice(*values: Any) -> Any:
    """One of the values, another one for each run of a tracker; the same run has the same each time."""
    return chance.choice(values)


@dataclass(kw_only=True)
class TypedParams:
    """Base of a tracker's parameters: a dataclass that refuses unknown names, wrong types and numbers out of range.

    Raises AttributeError, with the nearest known name, for an unknown parameter, TypeError for a wrong type, and
    InputError for a number outside of the `Bounds` of its field, and for NaN.
    """

    debug: Count = 0  # 0 off, 1..3 more and more panels
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
        for number, bounds in _out_of_range(value, _hints(type(self), with_bounds=True)[name]):
            found = repr(value) if number is value else f"{number!r} in {value!r}"
            raise InputError(f"parameter '{name}' of {type(self).__name__}: expected {bounds}, found {found}")
        object.__setattr__(self, name, value)

    def validate(self) -> None:
        """Raise InputError for what the parameters say only together; called before anything is run."""

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

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Default of every parameter that has one, as plain JSON data like that of `to_dict`."""
        fields, missing = dataclasses.fields(cls), dataclasses.MISSING
        given = {field.name: field.default for field in fields if field.default is not missing}
        made = {field.name: field.default_factory() for field in fields if field.default_factory is not missing}
        return {name: _plain(value) for name, value in (given | made).items()}

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
        return nearest(name, _hints(cls))


class OpenParams(TypedParams):
    """Parameters of a tracker that declares none: those that its parameter file sets, whatever they are called."""

    without_result = frozenset({"debug", "device", "use_gpu", "visualization"})

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _hints(type(self)):
            super().__setattr__(name, str(value) if name == "device" and value is not None else value)
        elif hasattr(type(self), name):
            raise AttributeError(f"expected another name for the parameter '{name}': parameters have a method of it")
        else:
            object.__setattr__(self, name, value)

    def get(self, name: str, *default: Any) -> Any:
        """Value of a parameter; `default` where it is not set, AttributeError where there is no default."""
        if not (self.has(name) or default):
            raise AttributeError(f"no parameter '{name}' is set{nearest(name, self.__dict__)}")
        return self.__dict__[name] if self.has(name) else default[0]

    def has(self, name: str) -> bool:
        """Whether the parameter is set; the device is not while it is None."""
        return name in self.__dict__ and not (name == "device" and self.device is None)

    def replace(self, **changes: Any) -> Self:
        """Copy with some parameters changed.

        Raises AttributeError for one that the parameter file does not set, and TypeError for a value of another kind
        than the file's.
        """
        copy = type(self)()
        copy.__dict__.update(self.__dict__)
        for name, value in changes.items():
            if name not in self.__dict__:
                raise AttributeError(
                    f"the parameter file sets no parameter '{name}'{nearest(name, self.__dict__)}; what is changed has "
                    "to be set there"
                )
            old = self.__dict__[name]
            if value is not None and old is not None and _kind(value) is not _kind(old):
                raise TypeError(f"parameter '{name}': expected a value of the kind of {old!r}, found {value!r}")
            setattr(copy, name, value)
        return copy

    @classmethod
    def read_values(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as a file of data gives them, where "none" says None."""
        return {name: None if value == "none" else value for name, value in values.items()}

    def to_dict(self) -> dict[str, Any]:
        """Every parameter as plain JSON data, objects by their class and attributes."""
        return {name: _plain(value) for name, value in self.__dict__.items()}

    @classmethod
    def from_tracker_params(cls, params: Any) -> Any:
        """Open parameters of what a parameter file returned; typed ones stay what they are.

        `use_gpu` False stands for the device "cpu", where the file names none.
        """
        if isinstance(params, TypedParams):
            return params
        opened = cls()
        for name, value in vars(params).items():
            setattr(opened, name, value)
        if not opened.has("device") and not opened.get("use_gpu", True):
            opened.device = "cpu"
        return opened


def _kind(value: Any) -> type:
    """What a changed parameter has in common with the old one: numbers are alike, and so are lists and tuples."""
    if isinstance(value, (list, tuple)):
        return list
    return float if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)


_hints_of_class: dict[tuple[type, bool], dict[str, Any]] = {}


def _hints(cls: type, with_bounds: bool = False) -> dict[str, Any]:
    """Types of the fields, with the bounds that are noted on them or without."""
    key = cls, with_bounds
    if key not in _hints_of_class:
        names = {field.name for field in dataclasses.fields(cls)}
        hints = typing.get_type_hints(cls, include_extras=with_bounds)
        _hints_of_class[key] = {name: hint for name, hint in hints.items() if name in names}
    return _hints_of_class[key]


def _out_of_range(value: Any, hint: Any) -> Iterator[tuple[Any, Bounds | str]]:
    """Numbers in a value of the right type that are outside of the bounds of the type, with these; NaN always is."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        if not all(value in bounds for bounds in hint.__metadata__):
            yield value, hint.__metadata__[0]
    elif origin in (typing.Union, types.UnionType):
        fitting = next(argument for argument in arguments if _matches(value, argument))
        yield from _out_of_range(value, fitting)
    elif origin in (tuple, list) and arguments:
        elements = arguments if origin is tuple and arguments[-1] is not Ellipsis else [arguments[0]] * len(value)
        for item, element in zip(value, elements, strict=True):
            yield from _out_of_range(item, element)
    elif origin is dict and arguments:
        for item in value.values():
            yield from _out_of_range(item, arguments[1])
    elif isinstance(value, float) and math.isnan(value):
        yield value, "a number"


def _matches(value: Any, hint: Any) -> bool:  # noqa: PLR0911 (one line for each kind of annotation)
    """Whether a value has the annotated type; an int passes for a float, a list for a tuple and the reverse."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _matches(value, arguments[0])
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


def _plain(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 (one line for each kind of value)
    if hasattr(value, "describe"):
        return value.describe()
    if isinstance(value, dict):
        return {str(key): _plain(item, depth) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth) for item in value]
    if isinstance(value, (set, frozenset)):  # whose order is another one in each process
        return sorted(map(str, value))
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)  # JSON has no infinities
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "tolist"):  # arrays and tensors
        return value.tolist()
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else type(value).__name__
    if hasattr(value, "__dict__") and depth < DEEPEST:
        return {"class": type(value).__qualname__, **_plain(vars(value), depth + 1)}
    return type(value).__name__ if " at 0x" in repr(value) else repr(value)  # not where it lies in memory
