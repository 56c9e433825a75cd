"""Which training settings there are: `ltr/train_settings/<module>/<settings>.py`, or modules of one's own."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ltr.common.errors import InputError, told_by_line
from ltr.common.packages import package_folders, summary
from ltr.common.unsupported import TRAININGS, refused_name
from ltr.trainers.options import TrainingOptions

PACKAGE = "ltr.train_settings"


@dataclass(frozen=True)
class SettingsName:
    """Settings by their two names; `import_name` is the Python module that holds them."""

    module: str
    settings: str
    import_name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.settings}"


@dataclass(frozen=True)
class SettingsModule:
    """An imported settings module: the class of its options, and the function that builds a task from them."""

    name: SettingsName
    options: type[TrainingOptions]
    build: Callable  # of an object of that class; returns a TrainingTask, whose module imports torch


def list_settings(package: str = PACKAGE) -> dict[str, str]:
    """First line of the docstring of each settings module of ours, by `<module>.<settings>`; nothing is imported."""
    return {f"{path.parent.name}.{path.stem}": summary(path) for path in _files(package)}


def find_settings(name: str, package: str = PACKAGE) -> SettingsName:
    """Settings by `<module>.<settings>`, as `dimp.dimp50`; of one's own, by the full name of their Python module.

    Raises InputError, with the nearest name, where there are none.
    """
    module, _, settings = name.rpartition(".")
    if name in [f"{path.parent.name}.{path.stem}" for path in _files(package)]:
        return SettingsName(module, settings, f"{package}.{name}")
    if module and any((folder / f"{settings}.py").is_file() for folder in package_folders(module)):
        return SettingsName(module, settings, name)
    of_method = TRAININGS.get(module) or TRAININGS.get(settings)
    raise refused_name("training settings", name, list_settings(package), {name: of_method} if of_method else {})


def load_settings(name: SettingsName) -> SettingsModule:
    """Import settings. Raises InputError where that fails, and where the module has not what a settings module has."""
    folder = package_folders(name.import_name.rpartition(".")[0])[0]
    with told_by_line(folder / f"{name.settings}.py"):
        module = importlib.import_module(name.import_name)
    options, build = getattr(module, "Options", None), getattr(module, "build", None)
    if not (isinstance(options, type) and issubclass(options, TrainingOptions) and callable(build)):
        raise InputError(
            f"{name.import_name} is no settings module: expected a class Options, derived from "
            "ltr.trainers.options.TrainingOptions, and a function build(options)"
        )
    return SettingsModule(name, options, build)


def _files(package: str) -> list[Path]:
    """Files of settings; those that start with an underscore are shared parts."""
    paths = [path for folder in package_folders(package) for path in folder.glob("*/*.py")]
    return [path for path in sorted(paths) if not path.stem.startswith("_")]
