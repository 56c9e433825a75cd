"""Every command of README, documents and notebooks: its program takes the arguments, and what can be run here is run.

Commands stand in code blocks and between backquotes. Where one needs data, the data set is a small generated one.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from pytracking.evaluation import registry
from pytracking.evaluation.datasets import DATASETS
from pytracking.utils.video_writer import VideoWriter

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    [*PROJECT.glob("*.md"), PROJECT / "rls" / "README.md", *PROJECT.glob("docs/*.md"), *PROJECT.glob("docs/*/*.ipynb")]
)
OURS = ("python ", "rlstrack ", "torchrun ", "./setup.sh")
# Programs of others, which tests of their own use where they are installed.
FOREIGN = {"conda", "echo", "ffmpeg", "pip", "pre-commit", "ray", "source", "ssh", "vot", "xargs"}
RUN_BY_OTHER_TESTS = {"docs/api.py", "docs/examples/linear_probe.py"}  # they take no arguments
PLACEHOLDER = re.compile(r"…|\.\.\.|<\w|\b[A-Z]{4,}\b(?!=)")
FRAMES = 71  # of OTB's shortest sequence


class Parsed(BaseException):
    """Arguments were taken; BaseException, so that no program keeps it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        super().__init__()
        self.arguments = arguments


@dataclass(frozen=True)
class Command:
    """A command line as a document has it."""

    text: str

    @property
    def words(self) -> list[str]:
        words = shlex.split(re.sub(r"\[(--[^]]+)]", r"\1", self.text), comments=True)  # [--option] may be left out
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        return words

    @property
    def program(self) -> list[str]:
        """Program with its arguments: a file, -m and a module, rlstrack, or another's."""
        words = self.words
        if words[0] == "python":
            return words[1:]
        if words[0] == "torchrun":
            first = next(index for index, word in enumerate(words) if word.endswith(".py"))
            return words[first:]
        return ["-m", "pytracking.command_line", *words[1:]] if words[0] == "rlstrack" else words


def commands(path: Path) -> list[Command]:
    """In the order of the document, each once."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")
    found = []
    for part, is_block in blocks(text):
        if is_block:
            lines = re.sub(r"\\\n\s*", "", part).splitlines()
            found += [line for line in lines if re.match(r"[A-Za-z./][\w./-]*( |=\S+ |$)", line)]
        else:
            spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", part)]
            found += [span for span in spans if span.startswith(OURS) and not PLACEHOLDER.search(span)]
    return [Command(text) for text in dict.fromkeys(found)]


def blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Parts of a document, and whether they are code blocks of commands; those of a language or tree are left out."""
    for number, part in enumerate(re.split(r"^```", text, flags=re.MULTILINE)):
        language, _, content = part.partition("\n")
        if number % 2 == 0:
            yield part, False
        elif language.strip() in ("", "bash", "sh", "console") and looks_like_commands(content):
            yield content, True


def looks_like_commands(content: str) -> bool:
    words = (re.sub(r"^([A-Z_]+=\S+ )+", "", line).split(" ")[0] for line in content.splitlines() if line.strip())
    return next(words, "") in {*FOREIGN, *(text.strip() for text in OURS)}


ALL = [pytest.param(path, c, id=f"{path.stem}: {c.text[:60]}") for path in DOCUMENTS for c in commands(path)]


@contextlib.contextmanager
def started_as(words: list[str]) -> Iterator[None]:
    """Arguments, and the folder of the program in front of all others, as the interpreter has them."""
    before = sys.argv, sys.path
    sys.argv, sys.path = words, [str((PROJECT / words[0]).parent), *sys.path]
    try:
        yield
    finally:
        sys.argv, sys.path = before


def run(program: list[str]) -> int:
    """Run a program of the project as the interpreter would; returns the exit status."""
    is_module = program[0] == "-m"
    with started_as(program[1:] if is_module else program):
        try:
            if is_module:
                runpy.run_module(program[1], run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(str(PROJECT / program[0]), run_name="__main__")
        except SystemExit as end:
            return int(end.code or 0)
    return 0


@pytest.fixture
def parsing_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("parse_args", "parse_intermixed_args"):
        method = getattr(argparse.ArgumentParser, name)

        def parse(self: argparse.ArgumentParser, *given: object, _method: object = method, **named: object) -> None:
            raise Parsed(_method(self, *given, **named))

        monkeypatch.setattr(argparse.ArgumentParser, name, parse)


@pytest.mark.parametrize(("document", "command"), ALL)
@pytest.mark.usefixtures("parsing_only")
def test_command_is_one_that_its_program_takes(document: Path, command: Command, tmp_path: Path) -> None:
    program = command.program
    if program[0] == "./setup.sh":
        assert program[1:] in ([], ["demo"], ["test"])
        return
    if program[0] == "pip" and "rls-onlinetrack[" in command.text:
        extras = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        assert set(re.search(r"\[(.*)\]", command.text)[1].split(",")) <= set(extras)
        return
    if program[0] in FOREIGN:
        assert not command.text.startswith("conda") or (PROJECT / program[-1]).exists()
        return
    if program[0] in RUN_BY_OTHER_TESTS or program[-1] == "--version":
        return
    name = program[1] if program[0] == "-m" else ""
    if len(program) == 1 + bool(name) or name.startswith("visdom"):  # a program that is spoken of
        assert importlib.util.find_spec(name) if name else (PROJECT / program[0]).exists()
        return
    try:
        status = run(program)
    except Parsed as parsed:
        check_names(parsed.arguments, command)
    else:
        pytest.fail(f"{document.name}: {command.text} ended with {status}")


def check_names(arguments: argparse.Namespace, command: Command) -> None:
    """Names in the arguments are those of things that exist, unless the document makes them itself."""
    given = vars(arguments)
    name, parameters = given.get("tracker_name"), given.get("tracker_param")
    if name is not None and parameters is not None and name not in ("still", "mosse"):
        assert parameters in registry.list_parameters(name), command.text
    if isinstance(given.get("dataset_name"), str):
        assert given["dataset_name"].partition(":")[0] in DATASETS, command.text


RUNNABLE = (
    r"run_tracker\.py (dimp|rtmdnet) \S+ --dataset_name otb",
    r"run_tracker\.py --(list|show)",
    r"run_video\.py .*--no_display",
    r"run_experiment\.py table4_lite",
    r"util_scripts\.reproduce ",
    r"util_scripts\.check_dataset otb$",
    r"run_training\.py .*--(list|options)",
    r"run_vot\.py trackers_ini",
    r"^rlstrack (run --list|--version)",
    r"util_scripts\.report .*rls_dimp_lite\" dimp:dimp_lite$",  # of what README runs before
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video, a folder of images and a part of OTB, all small and generated."""
    folder = tmp_path_factory.mktemp("documents")
    random = np.random.default_rng(0)
    background = cv2.resize(random.integers(40, 120, (12, 16, 3), dtype=np.uint8), (320, 240))
    square = np.kron(random.integers(120, 255, (5, 5, 3), dtype=np.uint8), np.ones((10, 10, 1), dtype=np.uint8))
    images = folder / "otb" / "Deer" / "img"
    images.mkdir(parents=True)
    (folder / "frames").mkdir()
    with contextlib.ExitStack() as stack:
        videos = [stack.enter_context(VideoWriter(folder / n, 25, ())) for n in ("video.mp4", "holiday.mp4")]
        for number in range(1, FRAMES + 1):
            image = background.copy()
            image[120:170, 140 + number : 190 + number] = square
            for video in videos:
                video.write(image)
            for path in (images / f"{number:04d}.jpg", folder / "frames" / f"{number:04d}.jpg"):
                cv2.imwrite(str(path), image[..., ::-1])
    rows = [f"{142 + number},121,50,50\n" for number in range(FRAMES)]
    (images.parent / "groundtruth_rect.txt").write_text("".join(rows))
    return folder


def runnable(path: Path) -> list[Command]:
    return [
        c for c in commands(path) if any(re.search(pattern, c.text.split("  #")[0].strip()) for pattern in RUNNABLE)
    ]


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if runnable(path)], ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::pytracking.evaluation.data.PartialCopyWarning")
def test_commands_run_one_after_the_other(document: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PYTRACKING_")]:
        monkeypatch.delenv(name)
    settings = {"CONFIG": "local.toml", "OTB_PATH": "otb", "RESULTS_PATH": "results", "RESULT_PLOT_PATH": "plots"}
    for name, value in settings.items():
        monkeypatch.setenv(f"PYTRACKING_{name}", str(place / value))
    monkeypatch.chdir(place)
    for command in runnable(document):
        program = command.program
        if "run_experiment" in program[0] and "--dry-run" not in program:
            program = [*program, "--dry-run"]  # twenty runs of every tracker
        if "run_video" in command.text:
            program = [*program, "--overwrite", "--max_frames", "5"]
        elif "run_tracker" in command.text and "--dataset_name" in command.text:
            program = [*program, "--sequence", "Deer"]
        expected = 1 if "check_dataset" in command.text else 0  # 99 of 100 sequences are not there
        assert run(program) == expected, command.text


def test_documents_have_commands() -> None:
    assert len(commands(PROJECT / "README.md")) > 15
    assert len(runnable(PROJECT / "README.md")) >= 7


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    local = [link.partition("#")[::2] for link in links if not re.match(r"https?://", link)]
    assert [file for file, _ in local if not (document.parent / file).exists()] == []
    targets = [(document.parent / file if file else document, anchor) for file, anchor in local if anchor]
    assert [f"{target.name}#{anchor}" for target, anchor in targets if anchor not in anchors(target)] == []


def anchors(document: Path) -> set[str]:
    """Of the headings, as GitHub names them: letters, digits, _ and -, each space a hyphen; the first of equal ones."""
    parts = re.split(r"^```", document.read_text(encoding="utf-8"), flags=re.MULTILINE)[::2]
    headings = [heading for part in parts for heading in re.findall(r"^#+ (.+)$", part, flags=re.MULTILINE)]
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_leads_to_every_document() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in PROJECT.glob("docs/*.md") if f"(docs/{path.name})" not in text] == []
