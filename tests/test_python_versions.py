"""What can be seen of the other supported Pythons here: their syntax, and what they dropped."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
FOLDERS = ("rls", "ltr", "pytracking", "benchmarks", "docs", "tests")
SUPPORTED = ("3.11", "3.12", "3.13")
# Modules that Python 3.12 and 3.13 no longer have, and one that setuptools no longer has.
REMOVED = {
    "asynchat", "asyncore", "distutils", "imp", "smtpd",
    "aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap", "msilib", "nis", "nntplib",
    "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib", "pkg_resources",
}  # fmt: skip
COMPILE = """
import sys, warnings
warnings.simplefilter("error")  # a wrong escape is only a warning
for name in sys.stdin.read().splitlines():
    with open(name, encoding="utf-8") as file:
        compile(file.read(), name, "exec")
print("%d.%d" % sys.version_info[:2])
"""


def sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((PROJECT / folder).rglob("*.py"))]


def find_python(version: str) -> Path | None:
    """An interpreter of the version that starts, on the path or among those of pyenv."""
    places = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    for place in filter(None, places):
        told = subprocess.run([place, "--version"], capture_output=True, text=True, check=False)
        if told.returncode == 0 and told.stdout.startswith(f"Python {version}."):
            return Path(place)
    return None


@pytest.mark.parametrize("version", SUPPORTED)
def test_every_file_compiles_without_a_warning(version: str) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"needs Python {version}")
    names = "\n".join(map(str, sources()))
    done = subprocess.run([python, "-c", COMPILE], input=names, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (version, "")


def test_no_removed_module_is_imported() -> None:
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path}: {name}" for name in names if name.partition(".")[0] in REMOVED]
    assert not found


def test_no_call_that_newer_versions_warn_of() -> None:
    """Calls that Python 3.12 or 3.13 deprecated and that no lint rule in use knows."""
    deprecated = re.compile(
        r"\.(utcnow|utcfromtimestamp)\(|rmtree\(.*onerror=|locale\.getdefaultlocale|\bast\.(Num|Str|Bytes)\b"
    )
    found = [path for path in sources() if path != Path(__file__) and deprecated.search(path.read_text("utf-8"))]
    assert not found
