"""Which module may import which: imports point one way, whether they are run, put off or of types alone."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("rls", "ltr", "pytracking")  # each may import itself and those before it

# What a part may import of its own package, beside itself.
ALLOWED = {
    "ltr.common": (),
    "pytracking.libs": (),
    "pytracking.utils": ("pytracking.libs",),
    "pytracking.features": ("pytracking.utils",),
    "pytracking.visualization": ("pytracking.utils", "pytracking.tracker.base"),
    "pytracking.tracker": ("pytracking.utils", "pytracking.features", "pytracking.visualization"),
    "pytracking.scoring": ("pytracking.evaluation.data",),
    "pytracking.evaluation": (
        "pytracking.utils", "pytracking.tracker", "pytracking.scoring", "pytracking.visualization", "pytracking.video",
    ),
    "pytracking.video": (
        "pytracking.utils", "pytracking.tracker", "pytracking.visualization", "pytracking.evaluation",
    ),
    "pytracking.analysis": ("pytracking.utils", "pytracking.scoring", "pytracking.evaluation"),
}  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports() -> dict[str, set[str]]:
    """Of every module, the modules of the project that it imports anywhere in its code."""
    paths = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
    return {
        name: {known for found in names_imported(path) if (known := nearest_module(found, paths))} - {name}
        for name, path in paths.items()
    }


def names_imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def nearest_module(name: str, known: dict[str, Path]) -> str | None:
    """The module that a name is, or is in."""
    return name if name in known else parent if (parent := name.rpartition(".")[0]) in known else None


def is_part(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_packages_point_one_way():
    order = {package: place for place, package in enumerate(PACKAGES)}
    upward = [
        f"{module} imports {name}"
        for module, names in imports().items()
        for name in names
        if order[name.split(".")[0]] > order[module.split(".")[0]]
    ]
    assert not upward


@pytest.mark.parametrize("part", ALLOWED)
def test_parts_import_what_lies_below(part):
    package = part.split(".")[0]
    found = [
        f"{module} imports {name}"
        for module, names in imports().items()
        if is_part(module, part)
        for name in names
        if is_part(name, package) and not any(is_part(name, allowed) for allowed in (part, *ALLOWED[part]))
    ]
    assert any(is_part(module, part) for module in imports())
    assert not found


def test_no_module_imports_itself_by_way_of_others():
    try:
        tuple(TopologicalSorter(imports()).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_no_module_only_passes_names_on():
    passing = [
        module
        for module in imports()
        if (path := ROOT.joinpath(*module.split(".")).with_suffix(".py")).is_file()
        and all(is_import_or_text(node) for node in ast.parse(path.read_text(encoding="utf-8")).body)
    ]
    assert not passing


def is_import_or_text(node: ast.stmt) -> bool:
    is_names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    return is_names or isinstance(node, (ast.Import, ast.ImportFrom, ast.Expr))


def test_the_rules_see_every_kind_of_import(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import a\nif TYPE_CHECKING:\n    from b import c\ndef f():\n    from d.e import g as h\n", encoding="utf-8"
    )
    assert sorted(names_imported(path)) == ["a", "b.c", "d.e.g"]
    assert nearest_module("b.c", {"b": path}) == "b"
    assert nearest_module("d.e.g", {"d.e.g": path, "d.e": path}) == "d.e.g"
