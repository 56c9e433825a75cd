"""Paths of this machine: `configs/local.toml`, each overridable by an environment variable `PYTRACKING_<KEY>`.

A `local.py` of pytracking, where a user has put one, gives what that file leaves at its defaults.

In a checkout, results and everything else that is written goes below its folder. Where the packages are installed
without it, that is the working directory, and the settings are `~/.config/rls-onlinetrack/local.toml`.
"""

import dataclasses
import functools
import os
import runpy
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltr.common.errors import InputError, nearest
from ltr.common.files import create_atomic

PROJECT = Path(__file__).resolve().parents[2]  # the checkout, or the site-packages that hold the three packages
IS_CHECKOUT = (PROJECT / "pyproject.toml").is_file()
CONFIGS = PROJECT / "configs" if IS_CHECKOUT else PROJECT / "ltr" / "configs"  # where a wheel has them
EXAMPLE_FILE = CONFIGS / "local.example.toml"
CONFIG_VARIABLE = "PYTRACKING_CONFIG"  # names another file than configs/local.toml
LOCAL_PY = PROJECT / "pytracking" / "evaluation" / "local.py"  # a user's, of pytracking
LISTS = ("network_path", "tracker_path")  # keys that may hold several folders
OUTPUTS = (  # folders that are written to
    "results_path",
    "result_plot_path",
    "got_packed_results_path",
    "tn_packed_results_path",
    "workspace_path",
    "demo_path",
)


def working_folder() -> Path:
    """Where relative paths of the settings start."""
    return PROJECT if IS_CHECKOUT else Path.cwd()


@dataclass(frozen=True)
class Settings:
    """Paths by their pytracking names; None where a data set's folder is not set."""

    results_path: Path = field(default_factory=lambda: working_folder() / "results")
    result_plot_path: Path = field(default_factory=lambda: working_folder() / "results" / "plots")
    network_path: list[Path] = field(default_factory=lambda: [working_folder() / "networks"])  # searched in this order
    tracker_path: list[Path] = field(
        default_factory=list
    )  # folders with tracker/<name> and parameter/<name> of one's own
    got_packed_results_path: Path | None = None  # packages for the servers; where not set: below results_path
    tn_packed_results_path: Path | None = None
    workspace_path: Path = field(default_factory=lambda: working_folder() / "workspace")  # trainings, indices
    demo_path: Path = field(default_factory=lambda: working_folder() / "data" / "demo")
    otb_path: Path | None = None
    uav_path: Path | None = None
    uav10fps_path: Path | None = None  # where not set: uav_path
    lasot_path: Path | None = None
    lasot_extension_subset_path: Path | None = None
    tlp_path: Path | None = None
    tinytlp_path: Path | None = None  # where not set: tlp_path
    nfs_path: Path | None = None
    tpl_path: Path | None = None  # Temple-Color-128
    got10k_path: Path | None = None
    trackingnet_path: Path | None = None
    coco_path: Path | None = None  # training only
    vid_path: Path | None = None  # ImageNet-VID, training only
    oxuva_path: Path | None = None
    vot_path: Path | None = None  # VOT2018, as in pytracking
    vot2016_path: Path | None = None
    vot2017_path: Path | None = None
    vot2018_path: Path | None = None  # where not set: vot_path
    vot2019_path: Path | None = None
    folder_path: Path | None = None  # one's own sequences

    def data_path(self, settings: str | tuple[str, ...], layout: str) -> Path:
        """Folder of a data set; of several settings, the first that is set counts.

        Raises InputError, with the expected `layout`, where the setting is empty or names no folder.
        """
        names = (settings,) if isinstance(settings, str) else settings
        setting = next((name for name in names if getattr(self, name) is not None), names[0])
        path: Path | None = getattr(self, setting)
        if path is not None and path.is_dir():
            return path
        found = f"{setting} is not set" if path is None else f"{setting} names {path}, which is no folder"
        raise InputError(
            f'{found}\n  set it in {config_file()}, as in: {setting} = "/path/to/data"\n'
            f"  or in the environment: export {_variable(setting)}=/path/to/data\n"
            f"  expected there: {layout}"
        )


def config_file() -> Path:
    """The user's settings file."""
    chosen = os.environ.get(CONFIG_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if IS_CHECKOUT:
        return CONFIGS / "local.toml"
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "rls-onlinetrack" / "local.toml"


def env_settings() -> Settings:
    """Settings from the user's file, which is made from the example at first, and from the environment.

    Raises InputError for a file that is not valid TOML, an unknown key or a value of the wrong type, a file in the
    place of a folder that is written to, and for a `local.py` that fails; the files are never changed.
    """
    source = config_file()
    _create_config(source)
    known = [f.name for f in dataclasses.fields(Settings)]
    values: dict[str, Any] = {
        key: _paths(key, value, base=Path.cwd(), source=str(LOCAL_PY))
        for key, value in local_py_settings().items()
        if key in known
    }
    defaults = Settings()
    for key, value in _read_toml(source).items():
        if key not in known:
            raise InputError(f"{source}: unknown key '{key}'{nearest(key, known)}\n  known: {', '.join(known)}")
        given = _paths(key, value, base=working_folder(), source=str(source))
        if key not in values or given not in (None, getattr(defaults, key)):
            values[key] = given
    for key in known:
        if text := os.environ.get(_variable(key)):
            value = text.split(os.pathsep) if key in LISTS else text
            values[key] = _paths(key, value, base=Path.cwd(), source=_variable(key))
    settings = Settings(**{key: value for key, value in values.items() if value is not None})
    for key in OUTPUTS:
        path = getattr(settings, key)
        if path is not None and path.is_file():
            raise InputError(
                f"{key} names {path}, which is a file; a folder is expected, which need not be there yet\n"
                f"  set it in {config_file()} or as {_variable(key)}"
            )
    return settings


def local_py_settings() -> dict[str, Any]:
    """What the user's `local.py` of pytracking sets, by name; nothing where there is none.

    Raises InputError, with the error, where it fails.
    """
    try:
        changed = LOCAL_PY.stat().st_mtime_ns
    except OSError:
        return {}
    return {key: value for key, value in vars(_run_local_py(LOCAL_PY, changed)).items() if value not in ("", None)}


@functools.lru_cache(maxsize=1)
def _run_local_py(path: Path, changed: int) -> Any:
    try:
        return runpy.run_path(str(path))["local_env_settings"]()
    except Exception as error:  # it is a program of the user's
        raise InputError(
            f"{path} cannot be used: {type(error).__name__}: {error}\n"
            f"  correct it, or write its paths into {config_file()} and take it away; it was left as it is"
        ) from error


def _variable(key: str) -> str:
    return f"PYTRACKING_{key.upper()}"


def _create_config(path: Path) -> None:
    """Make the settings file from the example; where that cannot be written, the defaults serve without a file."""
    if path.exists() or not EXAMPLE_FILE.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        create_atomic(path, EXAMPLE_FILE.read_text(encoding="utf-8"))
    except OSError:
        return


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is not valid TOML: {error}\n"
            "  correct the file (Windows paths: single quotes, 'D:\\data', or forward slashes); it was left as it is"
        ) from error


def _paths(key: str, value: Any, base: Path, source: str) -> Path | list[Path] | None:
    """Absolute path(s) of one key; relative ones start at `base`; None for an empty string."""
    if key in LISTS:
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        return [_absolute(key, item, base, source) for item in items if item != ""] or None
    return _absolute(key, value, base, source) if value != "" else None


def _absolute(key: str, value: Any, base: Path, source: str) -> Path:
    if not isinstance(value, str):
        kind = "a string or a list of strings" if key in LISTS else "a string"
        raise InputError(f"{source}: {key} must be {kind}, found {value!r}")
    return base / Path(value).expanduser()
