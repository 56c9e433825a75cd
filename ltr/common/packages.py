"""What lies in a package, found by looking at its folders: nothing of it is imported."""

import ast
import importlib.util
from pathlib import Path


def package_folders(package: str) -> list[Path]:
    """Folders of a package, found without importing it; none where there is no such package."""
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # of the package that it would be part of
        return []
    return [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []


def summary(path: Path) -> str:
    """First line of a Python file's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return docstring.splitlines()[0] if docstring else ""
