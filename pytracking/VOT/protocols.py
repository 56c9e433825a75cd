"""What the VOT challenges of each year prescribe: `configs/vot/<year>.toml`."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltr.common.environment import CONFIGS
from ltr.common.errors import InputError, nearest, unknown_name

PROTOCOLS = CONFIGS / "vot"


@dataclass(frozen=True)
class Experiment:
    """A way to run a tracker with restarts."""

    name: str  # folder of its results: "baseline" or "realtime"
    repetitions: int = 15
    restart_after: int = 5  # frames from a failure to the restart
    failure_overlap: float = 0.0  # an overlap of at most this is a failure
    fps: float | None = None  # rate at which frames arrive; None: each waits for the tracker
    grace: int = 0  # late answers that are forgiven after each start


@dataclass(frozen=True)
class Protocol:
    """The rules of one year."""

    name: str  # "vot2018"
    title: str
    dataset: str  # as in get_dataset
    eao_interval: tuple[int, int]  # lowest and highest length of the sequences that EAO is the mean of
    sensitivity: float  # S in R_S = exp(-S failures / frames)
    burn_in: int  # frames from a start on that do not count for the accuracy
    experiments: Mapping[str, Experiment]

    def experiment(self, name: str) -> Experiment:
        """An experiment by its name. Raises InputError where the year has none of that name."""
        if name not in self.experiments:
            raise unknown_name(f"experiment of {self.name}", name, self.experiments)
        return self.experiments[name]


def list_protocols(folder: Path = PROTOCOLS) -> dict[str, Path]:
    """Protocol files by name."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_protocol(name: str, folder: Path = PROTOCOLS) -> Protocol:
    """A protocol by its name or by its file. Raises InputError for an unknown name and for a file with errors."""
    path = Path(name)
    if path.suffix != ".toml":
        known = list_protocols(folder)
        if name.lower() not in known:
            raise unknown_name("VOT protocol", name, known)
        path = known[name.lower()]
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    try:
        return _protocol(path.stem, content)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"{path}: {error}") from error


def _protocol(name: str, content: dict[str, Any]) -> Protocol:
    experiments = {key: _experiment(key, value) for key, value in content.items() if isinstance(value, dict)}
    settings = {key: value for key, value in content.items() if key not in experiments}
    known = [field.name for field in dataclasses.fields(Protocol) if field.name not in ("name", "experiments")]
    _check_keys(settings, known)
    if missing := [key for key in known if key not in settings]:
        raise ValueError(f"expected the key '{missing[0]}', found {', '.join(settings) or 'nothing'}")
    low, high = settings["eao_interval"]
    if not 1 < low <= high:
        raise ValueError(f"eao_interval: expected 1 < lowest <= highest, found {low} and {high}")
    return Protocol(name, **settings | {"eao_interval": (low, high)}, experiments=experiments)


def _experiment(name: str, settings: dict[str, Any]) -> Experiment:
    _check_keys(settings, [field.name for field in dataclasses.fields(Experiment) if field.name != "name"])
    experiment = Experiment(name, **settings)
    for key, lowest in {"repetitions": 1, "restart_after": 1, "failure_overlap": 0, "grace": 0}.items():
        if getattr(experiment, key) < lowest:
            raise ValueError(f"{name}.{key}: expected at least {lowest}, found {getattr(experiment, key)}")
    if experiment.fps is not None and experiment.fps <= 0:
        raise ValueError(f"{name}.fps: expected a positive number, found {experiment.fps}")
    return experiment


def _check_keys(settings: Mapping[str, Any], known: list[str]) -> None:
    for key in settings:
        if key not in known:
            raise ValueError(f"unknown key '{key}'{nearest(key, known)}; known: {', '.join(known)}")
