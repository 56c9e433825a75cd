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
    """First line of a Python file's docstring; where it is no Python, in which line."""
    return (ast.get_docstring(parsed(path)) or "").partition("\n")[0]


def parsed(path: Path) -> ast.Module:
    """A Python file without running it; of one that is no Python a docstring alone, which says in which line."""
    try:
        return ast.parse(path.read_bytes(), filename=path)
    except SyntaxError as error:  # for a NUL byte, too
        problem = f"(cannot be read: {error.msg}, line {error.lineno})"
        return ast.Module([ast.Expr(ast.Constant(problem))], [])
