"""A tracker with its parameters: what is needed to make its tracker objects and to find its results."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ltr.common.environment import env_settings
from ltr.common.errors import InputError, told_by_line
from ltr.common.packages import package_folders
from pytracking.evaluation import registry
from pytracking.utils.params import chance
from pytracking.utils.seeding import sequence_seed

if TYPE_CHECKING:
    from pytracking.tracker.base import BaseTracker
    from pytracking.utils.params import TrackerParams, TypedParams


class SetupError(InputError):
    """A tracker cannot start, whatever the sequence: weights that are not here, a network that does not fit."""


def load_features(tracker: BaseTracker) -> None:
    """Let a tracker load its network. Raises SetupError where that is not to be used."""
    try:
        tracker.initialize_features()
    except InputError as error:
        raise SetupError(str(error)) from error


class TrackerSetup:
    """What is run: tracker, parameter file, run, seed, device; where its results go; how its tracker objects are made.

    `Tracker` says what the arguments mean.
    """

    tracker_package: ClassVar[str] = registry.TRACKERS
    parameter_package: ClassVar[str] = registry.PARAMETERS

    def __init__(
        self,
        name: str,
        parameter_name: str,
        run_id: int | None = None,
        display_name: str | None = None,
        *,
        seed: int = 0,  # base of the seeds of all sequences
        device: str | None = None,  # None: what the parameters say
        results_path: Path | None = None,  # None: the setting results_path
        overrides: Mapping[str, Any] | None = None,  # parameters that differ from the parameter file's
        label: str | None = None,  # names the results of these overrides; None: a hash of them
    ) -> None:
        """Raises TypeError for a run that is no number, ValueError for a negative one and a label without overrides."""
        if run_id is not None and (isinstance(run_id, bool) or not isinstance(run_id, int)):
            raise TypeError(f"expected an integer or None as run_id, found {run_id!r}")
        if run_id is not None and run_id < 0:
            raise InputError(f"expected a run_id of 0 or more, found {run_id}")
        self.name = name
        self.parameter_name = parameter_name
        self.run_id = run_id
        self.seed = seed
        self.device = device
        self.results_path = results_path
        self.overrides = dict(overrides or {})
        if label is not None and not self.overrides:
            raise ValueError(f"expected parameters that the label '{label}' stands for, found no overrides")
        self.variant = parameter_name + (f"+{label or _hash(self.overrides)}" if self.overrides else "")
        self.display_name = display_name or f"{name}_{self.variant}{self._run_suffix}"

    def __repr__(self) -> str:
        return f"Tracker({self.name!r}, {self.parameter_name!r}, run_id={self.run_id})"

    @property
    def _run_suffix(self) -> str:
        return "" if self.run_id is None else f"_{self.run_id:03d}"

    @property
    def results_dir(self) -> Path:
        """Folder of the result files: `<tracker>/<parameters>[+<label or hash of overrides>][_<run>]`."""
        root = self.results_path if self.results_path is not None else env_settings().results_path
        return root / self.name / f"{self.variant}{self._run_suffix}"

    def tracker_class(self) -> type[BaseTracker]:
        """Class of the tracker. Raises InputError for an unknown tracker, and for what its code fails with."""
        name = registry.find_tracker(self.name, self.tracker_package)
        with told_by_line(package_folders(name)[0]), registry.explained_imports(f"tracker '{self.name}'"):
            cls: type[BaseTracker] = importlib.import_module(name).get_tracker_class()
        return cls

    def get_parameters(self) -> TypedParams:
        """Fresh parameters from the parameter file, with the overrides, on the chosen device.

        Raises InputError for unknown names, for whatever the file fails with and numbers out of range, naming the
        file, and for overrides that the tracker's parameters do not allow.
        """
        registry.find_tracker(self.name, self.tracker_package)
        path = registry.find_parameters(self.name, self.parameter_name, self.parameter_package)
        cls = self.tracker_class()
        with told_by_line(path), registry.explained_imports("the parameter file"):
            module = importlib.import_module(f"{self.parameter_package}.{self.name}.{self.parameter_name}")
            chance.seed(self.sequence_seed(""))  # a run has the same parameters whenever they are read
            found = module.parameters()
            if not hasattr(found, "__dict__"):
                raise InputError(f"expected that parameters() returns the tracker's parameters, found {found!r}")
            params: TypedParams = cls.params_class.from_tracker_params(found)
            params.validate()
        if self.overrides:
            params = self._override(params)
        if self.device is not None:
            params.device = self.device
        return params

    def _override(self, params: TypedParams) -> TypedParams:
        try:
            changed = params.replace(**params.read_values(self.overrides))
            changed.validate()
        except (AttributeError, TypeError, InputError) as error:
            raise InputError(f"{self.name} {self.parameter_name}, overrides: {error}") from error
        return changed

    def create_tracker(self, params: TypedParams | TrackerParams) -> BaseTracker:
        """New tracker object with these parameters."""
        return self.tracker_class()(params)

    def sequence_seed(self, sequence_name: str) -> int:
        """Seed of one sequence, the same whatever was run before and in whichever process."""
        return sequence_seed(self.seed, self.name, self.parameter_name, self.run_id, sequence_name)

    def start(self, sequence_name: str, params: TypedParams | TrackerParams) -> BaseTracker:
        """New tracker object with the seed of a sequence and its network loaded. Raises SetupError for bad networks."""
        tracker = self.create_tracker(params)
        tracker.seed(self.sequence_seed(sequence_name))
        load_features(tracker)
        return tracker


def _hash(overrides: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(overrides, sort_keys=True, default=str).encode()).hexdigest()[:8]
