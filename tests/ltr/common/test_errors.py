import pytest

from ltr.common.errors import InputError, exit_status, nearest, unknown_name


def test_nearest():
    assert nearest("OTB_pth", ["otb_path", "demo_path"]) == "; did you mean 'otb_path'?"
    assert nearest("zzz", ["otb_path"]) == ""


def test_unknown_name_lists_what_there_is():
    assert "known: none" in str(unknown_name("thing", "x", []))
    assert "... (100 in all)" in str(unknown_name("thing", "x", map(str, range(100))))


@pytest.mark.parametrize(
    ("error", "status"), [(InputError("do this"), 2), (FileNotFoundError("do this"), 2), (KeyboardInterrupt(), 130)]
)
def test_exit_status(error, status, capsys):
    def command() -> int:
        raise error

    assert exit_status(command) == status
    assert ("do this" in capsys.readouterr().err) == (status == 2)
    assert exit_status(lambda: 1) == 1


def test_programming_errors_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: 1 // 0)
