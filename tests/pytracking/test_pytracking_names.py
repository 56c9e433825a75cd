"""docs/pytracking.md names what is here of pytracking, and what is not."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "pytracking.md").read_text(encoding="utf-8")
PRESENT, MISSING = TEXT.split("\n## Missing\n")


def names(text: str) -> list[str]:
    """Names in the first columns of the tables."""
    rows = re.findall(r"^\| (.*?) \|", text, flags=re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`((?:pytracking|ltr)\.[\w.]+)`", row)]


def found(name: str) -> Any:
    """What `import` and `from ... import` find under a name. Raises ImportError or AttributeError."""
    parent, _, last = name.rpartition(".")
    try:
        return getattr(importlib.import_module(parent), last)
    except AttributeError:
        return importlib.import_module(name)


def test_tables_are_read() -> None:
    assert len(names(PRESENT)) > 100
    assert len(names(MISSING)) > 30
    assert not set(names(PRESENT)) & set(names(MISSING))


@pytest.mark.parametrize("name", names(PRESENT))
def test_what_is_said_to_be_here(name: str) -> None:
    what = found(name)
    assert callable(what) or what.__name__ == f"pytracking.libs.{name.rpartition('.')[2]}"


@pytest.mark.parametrize("name", names(MISSING))
def test_what_is_said_to_be_missing(name: str) -> None:
    with pytest.raises(ImportError):
        found(name)


MODULES = (  # written for this page alone
    "pytracking.libs.complex", "pytracking.libs.dcf", "pytracking.libs.fourier", "pytracking.libs.operation",
    "pytracking.features.preprocessing", "pytracking.utils.load_text", "pytracking.utils.loading",
    "pytracking.evaluation.environment", "pytracking.evaluation.multi_object_wrapper", "ltr.data.bounding_box_utils",
)  # fmt: skip
OWN = {"pytracking.evaluation.multi_object_wrapper.merged"}


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_of_a_module_for_pytracking_is_in_the_tables(module: str) -> None:
    members = vars(importlib.import_module(module)).items()
    defined = [name for name, value in members if getattr(value, "__module__", None) == module and callable(value)]
    public = {f"{module}.{name}" for name in defined if not name.startswith("_")}
    assert public - OWN <= set(names(PRESENT))
