"""Which trackers and parameter files there are, found by looking at folders: nothing of them is imported."""

from pathlib import Path

from ltr.common.errors import unknown_name
from ltr.common.packages import package_folders, summary

__all__ = ["find_parameters", "find_tracker", "list_parameters", "list_trackers", "package_folders", "summary"]

TRACKERS = "pytracking.tracker"
PARAMETERS = "pytracking.parameter"


def list_trackers(package: str = TRACKERS) -> list[str]:
    """Names of the trackers: the folders whose `__init__.py` has a `get_tracker_class`."""
    inits = [path for folder in package_folders(package) for path in folder.glob("*/__init__.py")]
    return sorted(path.parent.name for path in inits if "get_tracker_class" in path.read_text(encoding="utf-8"))


def list_parameters(tracker: str, package: str = PARAMETERS) -> dict[str, Path]:
    """Parameter files of a tracker by name; files that start with an underscore are shared parts, not parameters."""
    paths = [path for folder in package_folders(package) for path in (folder / tracker).glob("*.py")]
    return {path.stem: path for path in sorted(paths) if not path.stem.startswith("_")}


def find_parameters(tracker: str, name: str, package: str = PARAMETERS) -> Path:
    """File of one parameter set. Raises InputError, with the nearest name, where there is none."""
    known = list_parameters(tracker, package)
    if name not in known:
        raise unknown_name(f"{tracker} parameter file", name, known)
    return known[name]


def find_tracker(name: str, package: str = TRACKERS) -> str:
    """Module of a tracker. Raises InputError, with the nearest name, where there is none."""
    known = list_trackers(package)
    if name not in known:
        raise unknown_name("tracker", name, known)
    return f"{package}.{name}"
