"""Build the API documentation of all three packages: python docs/api.py [FOLDER], by default docs/api.

pdoc alone follows `__all__`, which names what a package is used by and leaves out its modules; here every public module
has a page.
"""

import sys
from pathlib import Path

import pdoc

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = ("rls", "ltr", "pytracking")


def modules() -> list[str]:
    """Public modules: no part of their names begins with an underscore, except those of programs, `__main__`."""
    paths = sorted(path for package in PACKAGES for path in (PROJECT / package).rglob("*.py"))
    places = [path.parent if path.name == "__init__.py" else path.with_suffix("") for path in paths]
    names = [".".join(place.relative_to(PROJECT).parts) for place in places]
    return [name for name in names if not any(part.startswith("_") for part in name.split("."))]


def main(folder: Path) -> None:
    """Write a page for each module into the folder."""
    pdoc.render.configure(search=False, show_source=False)  # which would be most of the time and of the 70 MB
    pdoc.pdoc(*modules(), output_directory=folder)
    print(f"{folder / 'index.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "docs" / "api")
