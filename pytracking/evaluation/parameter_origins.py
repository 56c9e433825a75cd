"""What each parameter of a tracker is, where it was set, and what it means.

The meaning is the comment at the field of the parameters' class, its one home; the place is found by watching the
parameter file being read.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ltr.common.environment import PROJECT
from ltr.common.packages import summary
from pytracking.evaluation import registry
from pytracking.evaluation.tracker_setup import TrackerSetup
from pytracking.utils.params import TypedParams

FILE_WIDTH = 1000  # where the output is no terminal: a line for each parameter
OTHER = "Other"


@dataclass(frozen=True)
class FieldText:
    """What the source says of a field."""

    section: str
    meaning: str
    place: str  # file:line


@dataclass(frozen=True)
class ParameterRow:
    """One parameter as a tracker would have it."""

    name: str
    value: Any
    place: str  # file:line, and the function
    is_default: bool
    section: str
    meaning: str


def field_texts(cls: type) -> dict[str, FieldText]:
    """Section, meaning and place of every field of a parameters' class, from the comments in its source.

    A comment after an empty line names the section; other comments above a field and those beside it are its meaning.
    """
    texts: dict[str, FieldText] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            fields = {field.name for field in dataclasses.fields(base)}
            own = {name: text for name, text in _class_texts(base) if name in fields}
            texts |= {name: text for name, text in own.items() if name not in texts or text.meaning}
    return texts


def _class_texts(cls: type) -> Iterator[tuple[str, FieldText]]:
    lines, start = inspect.getsourcelines(cls)
    comments = _comments(lines)
    section, shown = cls.__name__, _shown(inspect.getsourcefile(cls))
    body = ast.parse("".join(lines)).body[0]
    assert isinstance(body, ast.ClassDef)
    before = body.lineno  # last line of what stands before the field
    above: list[str]
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above = []
            for number in range(before + 1, node.lineno):
                if number in comments and not lines[number - 2].strip():
                    section, above = comments[number], []
                elif number in comments:
                    above.append(comments[number])
            beside = [comments[n] for n in range(node.lineno, (node.end_lineno or node.lineno) + 1) if n in comments]
            yield node.target.id, FieldText(section, " ".join(above + beside), f"{shown}:{start + node.lineno - 1}")
        before = node.end_lineno or node.lineno


def _comments(lines: list[str]) -> dict[int, str]:
    """Comments by the number of their line, from 1."""
    tokens = tokenize.generate_tokens(io.StringIO("".join(lines)).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def describe_parameters(setup: TrackerSetup) -> list[ParameterRow]:
    """Every parameter of a tracker. Raises InputError for unknown names and bad parameter files."""
    setup.get_parameters()  # imports what is needed, so that only the parameter file is watched below
    places: dict[str, str] = {}
    previous = sys.getprofile()
    sys.setprofile(lambda frame, event, _: _note(frame, event, places))
    try:
        params: Any = setup.get_parameters()
    finally:
        sys.setprofile(previous)
    texts = field_texts(type(params))
    file = registry.find_parameters(setup.name, setup.parameter_name, setup.parameter_package)
    assigned = _assigned(file)
    rows = []
    for name, value in vars(params).items():
        text = texts.get(name, FieldText(OTHER, "", ""))
        place = places.get(name) or assigned.get(name)
        is_default = place is None and bool(text.place)
        rows.append(
            ParameterRow(
                name, value, place or text.place or _shown(file), is_default, text.section or OTHER, text.meaning
            )
        )
    return rows


def _note(frame: FrameType, event: str, places: dict[str, str]) -> None:
    """Remember who set a parameter: the nearest frame that is not the machinery of the parameters."""
    if event != "call" or frame.f_code is not TypedParams.__setattr__.__code__:
        return
    owner, name, value = (frame.f_locals[key] for key in ("self", "name", "value"))
    caller, is_made = frame.f_back, False
    while caller is not None and _is_machinery(caller):
        if caller.f_code is dataclasses.replace.__code__:
            return  # a copy: what was set before was set where it was
        is_made |= caller.f_code.co_name == "__init__"
        caller = caller.f_back
    if caller is None or (is_made and value == _default(type(owner), name)):
        return
    if caller.f_code.co_filename == inspect.getsourcefile(TrackerSetup):
        return  # a bag being read: `_assigned` knows the line
    places[name] = f"{_shown(caller.f_code.co_filename)}:{caller.f_lineno} {caller.f_code.co_name}()"


def _is_machinery(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    is_method = isinstance(frame.f_locals.get("self", frame.f_locals.get("cls")), (TypedParams, type))
    return is_method or file in (dataclasses.__file__, "<string>")


def _default(cls: type, name: str) -> Any:
    field: Any = next((f for f in dataclasses.fields(cls) if f.name == name), None)
    if field is None:
        return None
    return field.default_factory() if field.default is dataclasses.MISSING else field.default


def _assigned(file: Path) -> dict[str, str]:
    """Lines of a parameter file in pytracking's style that set an attribute, the last of each."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign):
            names = [target.attr for target in node.targets if isinstance(target, ast.Attribute)]
            found |= dict.fromkeys(names, f"{_shown(file)}:{node.lineno}")
    return found


def _shown(file: str | Path | None) -> str:
    path = Path(file or "")
    return str(path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path)


def show_parameters(setup: TrackerSetup, console: Console | None = None) -> None:
    """Print every parameter with its value, where it was set and what it means; what is no default stands out."""
    console = console or Console()
    if not console.is_terminal:
        console.width = FILE_WIDTH
    rows = describe_parameters(setup)
    file = registry.find_parameters(setup.name, setup.parameter_name, setup.parameter_package)
    console.print(f"{setup.name} {setup.parameter_name}: {summary(file)}", markup=False, highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header, most in (
        ("parameter", None),
        ("value", 32 if console.is_terminal else None),
        ("set in", None),
        ("meaning", None),
    ):
        table.add_column(header, overflow="fold", max_width=most)
    for section in dict.fromkeys(row.section for row in rows):
        table.add_section()
        table.add_row(f"[bold]{section.split('. ')[0]}[/]")
        for row in rows:
            if row.section == section:
                place = f"default, {row.place}" if row.is_default else row.place
                cells = (f"  {row.name}", _value(row.value), place, row.meaning)
                table.add_row(*map(escape, cells), style=None if row.is_default else "green")
    console.print(table)


def _value(value: Any) -> str:
    if hasattr(value, "describe"):
        known = {key: item for key, item in value.describe().items() if item}
        return ", ".join(f"{key}={item}" for key, item in known.items())
    return repr(value)
