"""Paths of this machine under the names of pytracking, for data sets and scripts that were written for it.

The settings of this project are in `configs/local.toml` (`ltr.common.environment`); a `local.py` of pytracking that a
user has put beside this file gives what that one leaves at its defaults.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ltr.common import environment
from ltr.common.environment import Settings, config_file, local_py_settings


class EnvSettings:
    """Paths as texts, "" where they are not set: what a `local.py` fills, and what `env_settings()` gives.

    New ones have the defaults. Further attributes may be set, for data sets of one's own.
    """

    def __init__(self) -> None:
        self.__dict__.update(_texts(Settings()))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the path '{name}' is not set: settings.{name} = ... in {environment.LOCAL_PY}")


def env_settings() -> EnvSettings:
    """All settings, those included that only the user's `local.py` knows. Raises InputError as the project's."""
    settings = EnvSettings()
    settings.__dict__.update(local_py_settings() | _texts(environment.env_settings()))
    return settings


def _texts(settings: Settings) -> dict[str, str | list[str]]:
    paths = {field.name: getattr(settings, field.name) for field in dataclasses.fields(Settings)}
    return {
        name: [str(path) for path in value] if isinstance(value, list) else "" if value is None else str(value)
        for name, value in paths.items()
    }


def create_default_local_file() -> Path:
    """Make the settings file, where there is none, and say where it is; one that is there stays as it is.

    Raises InputError for a file that cannot be used.
    """
    environment.env_settings()
    path = config_file()
    print(f"write the paths of your data sets into {path}")
    return path
