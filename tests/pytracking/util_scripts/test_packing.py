import os
import zipfile

import pytest

from ltr.common.errors import InputError
from pytracking.evaluation import Tracker
from pytracking.util_scripts import packing
from pytracking.util_scripts.packing import Report


def test_report_groups_by_kind_and_remedy():
    report = Report("dimp for a server", notes=["something else"])
    for number in range(30):
        report.add("missing", f"sequence {number}", "run it")
    report.add("missing", "sequence 0", "run it")  # said once
    report.add("too short", "sequence 7")
    with pytest.raises(InputError) as error:
        report.raise_if_wrong("nothing was written")
    lines = str(error.value).splitlines()
    assert lines[:3] == ["dimp for a server: 31 problems", "  missing (30):", "    sequence 0"]
    assert lines[-7:] == [
        "    sequence 19", "    ... and 10 more", "    -> run it", "  too short (1):", "    sequence 7",
        "  note: something else", "nothing was written",
    ]  # fmt: skip
    Report("nothing").raise_if_wrong("nothing")


def test_boxes_of_others_count_from_where_they_say(tmp_path):
    run = packing.Run(Tracker("theirs", "p", results_path=tmp_path), "trackingnet")
    run.tracker.results_dir.mkdir(parents=True)
    for name in ("a", "b"):
        (run.tracker.results_dir / f"{name}.txt").write_text("11,21,30,40\n")
    (run.tracker.results_dir / "b_info.json").write_text("{}")  # a record of this project
    report = Report("a package")
    assert run.boxes(report, "a").tolist() == [[11, 21, 30, 40]]
    (run.tracker.results_dir / "pixel_origin").write_text("1\n")
    assert [run.boxes(report, name).tolist() for name in "ab"] == [[[10, 20, 30, 40]], [[11, 21, 30, 40]]]
    assert not report.problems


def members_that_fail():
    yield "a.txt", "1,2,3,4\n"
    raise RuntimeError("in the middle")


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "packed" / "a.zip"
    with pytest.raises(RuntimeError, match="in the middle"):
        packing.write_package(path, members_that_fail())
    assert list(path.parent.iterdir()) == []
    packing.write_package(path, [("a.txt", "old")])
    old = path.read_bytes()
    with pytest.raises(RuntimeError, match="in the middle"):
        packing.write_package(path, members_that_fail())

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        packing.write_package(path, [("a.txt", "new")])
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


def test_unwritable_folder(tmp_path):
    (tmp_path / "packed").write_text("a file")
    with pytest.raises(InputError, match="cannot write"):
        packing.write_package(tmp_path / "packed" / "a.zip", [("a.txt", "")])


@pytest.mark.parametrize("name", ["a/b", "../b", "/b"])
def test_output_name_is_no_path(tmp_path, name):
    with pytest.raises(InputError, match="file name without folder"):
        packing.package_path("server", name, tmp_path)


def test_default_folder_is_that_of_the_results(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", str(tmp_path))
    assert packing.package_path("server", "name.zip", None) == tmp_path / "packed" / "server" / "name.zip"


def test_package_path_of_the_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTRACKING_GOT_PACKED_RESULTS_PATH", str(tmp_path / "got"))
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", str(tmp_path))
    assert packing.package_path("got10k", "name", None) == tmp_path / "got" / "name.zip"
    own = tmp_path / "own"
    assert packing.package_path("got10k", "name", own) == own / "packed" / "got10k" / "name.zip"
    assert packing.package_path("trackingnet", "name", None) == tmp_path / "packed" / "trackingnet" / "name.zip"


def test_what_is_no_zip_file(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        packing.read_package(Report(""), tmp_path / "missing.zip")
    (tmp_path / "a.zip").write_text("text")
    with pytest.raises(InputError, match="is no zip file"):
        packing.read_package(Report(""), tmp_path / "a.zip")


def test_damaged_members(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/", "")
        archive.writestr("twice.txt", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("twice.txt", "1")
        archive.writestr("binary.txt", b"\xff\xfe")
        archive.writestr("changed.txt", "ABCDEFGH")
        archive.writestr("large.txt", "1" * 100)
    path.write_bytes(path.read_bytes().replace(b"ABCDEFGH", b"ABCDEFGX"))
    monkeypatch.setattr(packing, "MAX_MEMBER_SIZE", 99)
    report = Report("a.zip")
    assert packing.read_package(report, path) == {"twice.txt": "1"}
    text = str(report)
    for word in ("twice in the zip", "binary.txt: 'utf-8'", "changed.txt: Bad CRC", "large.txt: encrypted, or larger"):
        assert word in text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1,2\n3,4\n", ""),
        ("1, 2\r\n3 ,4", ""),
        ("1,2\n\n\n", ""),
        ("1 2\n", "separators"),
        ("1,2\n1;2\n", "line 2"),
        ("1,2\n1\n", "rows without 2 columns"),
        ("1,2\n\n3,4\n", "rows without 2 columns"),
        ("1,2,3\n", "rows without 2 columns"),
        ("1,-\n", "not finite"),
        ("1,nan\n", "not finite"),
        ("1,1_0\n", "not finite"),
        (" \n", "empty files"),
    ],
)
def test_rows_are_separated_by_commas_only(text, problem):
    report = Report("")
    rows = packing.parse_rows(report, "a.txt", text, 2)
    assert (rows is None) == bool(problem)
    assert bool(report.problems) == bool(problem)
    assert problem in str(report)


def test_data_set_that_is_not_set():
    assert packing.dataset_folder("got10k_path") is None
    assert packing.count_images([]) is None
