"""Which trackers and parameter files there are, found by looking at folders: nothing of them is imported.

Beside those of this project, the folders of the setting `tracker_path` may hold others, as `tracker/<name>` and
`parameter/<name>/<file>.py`; they are imported as `pytracking.tracker.<name>` and `pytracking.parameter.<name>.<file>`.
"""

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path

from ltr.common.environment import env_settings
from ltr.common.errors import InputError
from ltr.common.packages import package_folders
from ltr.common.unsupported import PARAMETERS as UNSUPPORTED_PARAMETERS
from ltr.common.unsupported import TRACKERS as UNSUPPORTED_TRACKERS
from ltr.common.unsupported import refused_name

TRACKERS = "pytracking.tracker"
PARAMETERS = "pytracking.parameter"
GUIDE = "docs/pytracking.md says what of pytracking is here, and how a tracker of one's own, or of others, is added"


def list_trackers(package: str = TRACKERS) -> list[str]:
    """Names of the trackers: the folders whose `__init__.py` has a `get_tracker_class`."""
    inits = [path for folder in _folders(package) for path in folder.glob("*/__init__.py")]
    return sorted({path.parent.name for path in inits if "get_tracker_class" in path.read_text(encoding="utf-8")})


def list_parameters(tracker: str, package: str = PARAMETERS) -> dict[str, Path]:
    """Parameter files of a tracker by name; files that start with an underscore are shared parts, not parameters."""
    paths = [path for folder in reversed(_folders(package)) for path in (folder / tracker).glob("*.py")]
    return {path.stem: path for path in sorted(paths, key=lambda path: path.name) if not path.stem.startswith("_")}


def find_parameters(tracker: str, name: str, package: str = PARAMETERS) -> Path:
    """File of one parameter set, which can be imported then.

    Raises InputError, with the nearest name, where there is none, and where there are two.
    """
    known = list_parameters(tracker, package)
    if name not in known:
        raise refused_name(f"{tracker} parameter file", name, known, UNSUPPORTED_PARAMETERS)
    _require_one([folder / tracker / f"{name}.py" for folder in _folders(package)])
    _search_in(package, _folders(package))
    _search_in(f"{package}.{tracker}", [folder / tracker for folder in _folders(package)])
    return known[name]


def find_tracker(name: str, package: str = TRACKERS) -> str:
    """Module of a tracker, which can be imported then.

    Raises InputError, with the nearest name, where there is none, and where there are two.
    """
    known = list_trackers(package)
    if name not in known:
        raise InputError(f"{refused_name('tracker', name, known, UNSUPPORTED_TRACKERS)}\n  {GUIDE}")
    _require_one([folder / name / "__init__.py" for folder in _folders(package)])
    _search_in(package, _folders(package))
    return f"{package}.{name}"


@contextlib.contextmanager
def explained_imports(what: str) -> Iterator[None]:
    """Raise InputError, with the page that lists them, where a tracker imports names that are not here."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("pytracking", "ltr"):
            raise
        raise InputError(f"{what} imports what is not here: {error}\n  {GUIDE}") from error


def _folders(package: str) -> list[Path]:
    """Folders of a package, its own first. Raises InputError where the setting tracker_path names something else."""
    if package not in (TRACKERS, PARAMETERS):
        return package_folders(package)
    own = Path(__file__).resolve().parents[1] / package.rpartition(".")[2]
    roots = env_settings().tracker_path
    if wrong := [root for root in roots if not root.is_dir()]:
        raise InputError(
            f"tracker_path names {wrong[0]}, which is no folder; expected there: tracker/<name>/__init__.py"
        )
    others = [root / own.name for root in roots]
    return [own, *(folder for folder in others if folder.is_dir())]


def _require_one(paths: list[Path]) -> None:
    found = [path for path in paths if path.is_file()]
    if len(found) > 1:
        raise InputError(f"{found[1]} has the name of {found[0]}; give one of them another name")


def _search_in(package: str, folders: list[Path]) -> None:
    """Let the modules of a package be found in these folders, too."""
    if len(folders) > 1:
        path = importlib.import_module(package).__path__
        for folder in folders:
            if folder.is_dir() and str(folder) not in path:
                path.append(str(folder))
