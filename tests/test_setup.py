"""What setup.sh hands to pip, which is a stand-in here: nothing is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
OURS = ".venv/build-constraint.txt"
PYTHON = f"""#!/usr/bin/env bash
case "$*" in
    *"pip install"*) printf '%s\\n' "$PIP_CONSTRAINT" "$PIP_BUILD_CONSTRAINT" > handed-over ;;
    *) exec {sys.executable} "$@" ;;
esac
"""


@pytest.mark.parametrize(
    ("configuration", "variables", "expected"),
    [
        ("", {}, ["", ""]),
        ("[global]\nconstraint = /a.txt\n", {}, ["/a.txt", ""]),
        ("[global]\nconstraint =\n  /a.txt\n  /b.txt\nbuild-constraint = /c.txt\n", {}, ["/a.txt /b.txt", "/c.txt"]),
        ("[global]\nconstraint = /a.txt\n[install]\nconstraint = /b.txt\n", {}, ["/b.txt", ""]),
        ("[global]\nconstraint = /a.txt\n", {"PIP_CONSTRAINT": "/b.txt /d.txt"}, ["/b.txt /d.txt", ""]),
        ("[install]\nconstraint = /a.txt\n", {"PIP_CONSTRAINT": "", "PIP_BUILD_CONSTRAINT": "/e"}, ["/a.txt", "/e"]),
    ],
)
def test_constraints_of_the_machine_stay_in_force(
    tmp_path: Path, configuration: str, variables: dict[str, str], expected: list[str]
) -> None:
    pytest.importorskip("pip", reason="needs pip, whose configuration setup.sh reads")
    for name in ("setup.sh", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    (tmp_path / "pip.conf").write_text(configuration)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "XDG_"))}
    read = str(tmp_path / "pip.conf") if configuration else os.devnull  # which keeps pip from all other files, too
    paths = {"PIP_CONFIG_FILE": read, "HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path)}
    subprocess.run([tmp_path / "setup.sh"], check=True, env=clean | paths | variables, stdout=subprocess.DEVNULL)
    handed = (tmp_path / "handed-over").read_text().splitlines()
    assert [line.split() for line in handed] == [[*files.split(), OURS] for files in expected]
    assert (tmp_path / OURS).read_text() == "setuptools<81\n"
