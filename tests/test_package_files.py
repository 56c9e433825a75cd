"""Licence, citation, versions and lists of dependencies say the same everywhere."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
APACHE = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # SHA-256 of apache.org's LICENSE-2.0.txt


def read(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads(read("pyproject.toml"))


def test_licence_is_the_standard_text() -> None:
    assert hashlib.sha256(("\n" + read("LICENSE")).encode()).hexdigest() == APACHE


def test_citation_names_the_paper(project: dict) -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    paper = citation["preferred-citation"]
    assert paper["title"] == "Recursive Least-Squares Estimator-Aided Online Learning for Visual Tracking"
    assert len(paper["authors"]) == 8
    assert paper["url"] == project["project"]["urls"]["Paper"]
    assert citation["license"] in project["project"]["license"]
    assert paper["url"] in read("README.md")
    assert project["project"]["urls"]["Authors' code"] in read("README.md")


def test_newest_changes_are_of_this_version(project: dict) -> None:
    newest = re.search(r"^## (\d+\.\d+\.\d+)", read("CHANGELOG.md"), flags=re.MULTILINE)
    assert newest
    assert newest[1] == project["project"]["version"]


def test_version_stands_in_one_place(project: dict) -> None:
    version = project["project"]["version"]
    code = [path for package in ("rls", "ltr", "pytracking") for path in (PROJECT / package).rglob("*.py")]
    assert not [path for path in code if f'"{version}"' in path.read_text(encoding="utf-8")]
    assert version not in read("CITATION.cff")


def test_hooks_run_what_the_tests_run() -> None:
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert [hook["entry"].split(" --")[0] for hook in repository["hooks"]] == ["ruff format", "ruff check", "mypy"]


def test_conda_and_setup_install_the_same(project: dict) -> None:
    """One list of dependencies, and a Python that it allows and setup.sh takes."""
    dependencies = yaml.safe_load(read("environment.yml"))["dependencies"]
    (by_pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    (wanted,) = [entry for entry in dependencies if str(entry).startswith("python=")]
    assert by_pip == ["-e .[all]"]
    assert [entry for entry in dependencies if entry not in (wanted, {"pip": by_pip})] == ["pip"]
    script = read("setup.sh")
    assert re.search(r"-m pip install .* -e '\.\[all\]'", script)
    first, last = re.search(r"\((\d, \d+)\) <= sys\.version_info\[:2\] <= \((\d, \d+)\)", script).groups()
    assert project["project"]["requires-python"] == f">={first.replace(', ', '.')},<{upper(last)}"
    versions = [f"3.{minor}" for minor in range(int(first.split()[1]), int(last.split()[1]) + 1)]
    assert wanted.removeprefix("python=") in versions
    listed = [c.split(" :: ")[-1] for c in project["project"]["classifiers"] if "Python :: 3." in c]
    assert listed == versions
    assert project["tool"]["ruff"]["target-version"] == "py" + versions[0].replace(".", "")
    assert project["tool"]["mypy"]["python_version"] == versions[0]


def upper(last: str) -> str:
    major, minor = last.split(", ")
    return f"{major}.{int(minor) + 1}"


def test_all_is_every_extra(project: dict) -> None:
    extras = project["project"]["optional-dependencies"]
    (everything,) = extras.pop("all")
    assert everything == f"rls-onlinetrack[{','.join(extras)}]"
