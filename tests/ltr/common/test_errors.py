import os
import runpy
import subprocess
import sys

import pytest

from ltr.common.errors import InputError, exit_status, nearest, told_by_line, unknown_name


def test_nearest():
    assert nearest("OTB_pth", ["otb_path", "demo_path"]) == "; did you mean 'otb_path'?"
    assert nearest("zzz", ["otb_path"]) == ""


def test_unknown_name_lists_what_there_is():
    assert "known: none" in str(unknown_name("thing", "x", []))
    assert "... (100 in all)" in str(unknown_name("thing", "x", map(str, range(100))))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("do this"), 2),
        (FileNotFoundError("do this"), 2),
        (NotADirectoryError(20, "Not a directory", "do this"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_status(error, status, capsys):
    def command() -> int:
        raise error

    assert exit_status(command) == status
    assert ("do this" in capsys.readouterr().err) == (status == 2)
    assert exit_status(lambda: 1) == 1


@pytest.mark.parametrize("size", [1, 10**6])  # sent at the end, and on the way
def test_output_that_nobody_reads(size):
    command = f"lambda: print('x' * {size}) or 0"
    code = f"import sys; from ltr.common.errors import exit_status; sys.exit(exit_status({command}))"
    read, write = os.pipe()
    os.close(read)
    try:
        run = subprocess.run([sys.executable, "-c", code], check=False, stdout=write, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(write)
    assert (run.returncode, run.stderr) == (141, "")


def test_another_broken_pipe_is_an_error():
    def command() -> int:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        exit_status(command)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\ndef f(:\n", "mine.py, line 2: SyntaxError: invalid syntax"),
        ("\n\nimport not_there_at_all", "mine.py, line 3: ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("def f():\n    return nobody\nf()", "mine.py, line 2: NameError: name 'nobody' is not defined"),
        ("import json\njson.loads('{')", "mine.py, line 2: JSONDecodeError: "),
        ("from ltr.common.errors import InputError\nraise InputError('no such box')", "mine.py: no such box"),
        ("x = '\0'", "mine.py: SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_code_of_a_person_is_told_by_its_line(code, message, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(code, encoding="utf-8")
    with pytest.raises(InputError) as caught, told_by_line(path):
        runpy.run_path(str(path))
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
    assert "\n" not in str(caught.value)


def test_code_in_a_folder_is_told_by_its_file(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("import helper_of_mine", encoding="utf-8")
    (tmp_path / "helper_of_mine.py").write_text("x = = 1", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"helper_of_mine\.py, line 1: SyntaxError: "), told_by_line(tmp_path):
        runpy.run_path(str(tmp_path / "mine.py"))
    with (
        pytest.raises(InputError, match=r"mine\.py, line 1: SyntaxError: .*\(helper_of_mine\.py, line 1\)"),
        told_by_line(tmp_path / "mine.py"),
    ):
        runpy.run_path(str(tmp_path / "mine.py"))


def test_other_code_is_told_by_the_file_alone(tmp_path):
    with pytest.raises(InputError, match=rf"^{tmp_path}: ZeroDivisionError: "), told_by_line(tmp_path):
        _ = 1 // 0


def test_programming_errors_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: 1 // 0)

    def lose() -> int:
        raise OSError("of no file")

    with pytest.raises(OSError, match="of no file"):
        exit_status(lose)
