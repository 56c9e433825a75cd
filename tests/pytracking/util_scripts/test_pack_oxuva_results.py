import csv

import cv2
import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.util_scripts import pack_oxuva_results as module
from tests.pytracking.util_scripts.stored_results import (
    TRACKER,
    edit_json,
    edit_lines,
    make_output,
    read_zip,
    run_folder,
    save_run,
    write_zip,
)

TASKS = {
    "test": (module.Task("vid0147_obj0001", 4080, 4082), module.Task("vid0028_obj0000", 0, 3)),
    "dev": (module.Task("vid0029_obj0000", 0, 1),),
}
NAME = TASKS["test"][0].name


@pytest.fixture
def results(tmp_path, monkeypatch):
    """One run on two tracks, the second under pytracking's name; images of 100 x 50 pixels."""
    monkeypatch.setattr(module, "tasks", TASKS.__getitem__)
    outputs = {
        NAME: make_output(3, flags=["init", "not_found", "uncertain"]),
        TASKS["test"][1].result_names[1]: make_output(4),
    }
    outputs[NAME]["target_bbox"][2] = [-5.0, 10.0, 200.0, 20.0]
    store = save_run(tmp_path, None, outputs, "oxuva_test")
    for name in outputs:
        edit_json(store.folder / f"{name}_info.json", image_size=[100, 50])
    return tmp_path


def pack(results, **options):
    return module.pack_oxuva_results(*TRACKER, results_path=results, **options)


def refused(results, **options):
    """Message of the refusal; nothing was written."""
    with pytest.raises(InputError) as error:
        pack(results, **options)
    assert not (results / "packed").exists()
    return str(error.value)


def test_table():
    assert (len(module.tasks("dev")), len(module.tasks("test"))) == (200, 166)
    names = [task.name for split in module.SPLITS for task in module.tasks(split)]
    assert len(set(names)) == 366
    assert sum(task.num_frames for split in module.SPLITS for task in module.tasks(split)) == 1386636
    assert module.Task("vid0147_obj0001", 4080, 5490) in module.tasks("test")
    with pytest.raises(InputError, match="unknown split"):
        module.tasks("train")


def test_layout(results, capsys):
    path = pack(results)
    assert path == results / "packed" / "oxuva_test" / "wander_default.zip"
    members = read_zip(path)
    assert list(members) == ["vid0147_obj0001.csv", "vid0028_obj0000.csv"]
    assert members["vid0147_obj0001.csv"] == (
        "vid0147,obj0001,4081,false,0.900000,0.112500,0.412500,0.410000,1.000000\n"
        "vid0147,obj0001,4082,true,0.100000,0.000000,1.000000,0.200000,0.600000\n"
    )
    assert [row[2] for row in csv.reader(members["vid0028_obj0000.csv"].splitlines())] == ["1", "2", "3"]
    text = capsys.readouterr().out
    assert "present: flag is not not_found" in text
    assert "2 tracks, 5 frames, target present in 80.0%" in text
    assert "constrained challenge" in text
    module.check_oxuva_package(path)


def presence(path):
    rows = csv.reader("".join(read_zip(path).values()).splitlines())
    return [row[3] for row in rows]


def test_presence_by_score(results, capsys):
    # The scores of the two tracks fall from 0.9 to 0.1: 0.9, 0.1 and 0.9, 0.5, 0.1.
    assert presence(pack(results)) == ["false", "true", "true", "true", "true"]
    assert presence(pack(results, presence_threshold=0.3)) == ["true", "false", "true", "true", "false"]
    for path in run_folder(results, None).glob("*_flags.txt"):
        path.unlink()
    capsys.readouterr()
    assert presence(pack(results)) == ["true", "false", "true", "false", "false"]
    assert "present: score > 0.55 (pytracking's, as none is recorded)" in capsys.readouterr().out


def test_no_box_is_needed_where_the_target_is_absent(results):
    edit_lines(run_folder(results, None) / f"{NAME}.txt", lambda lines: [lines[0], "-1\t-1\t-1\t-1", lines[2]])
    row = "vid0147,obj0001,4081,false,0.900000,0.000000,0.000000,0.000000,0.000000\n"
    assert read_zip(pack(results))[f"{NAME}.csv"].startswith(row)
    assert "negative sizes" in _message(results, presence_threshold=0.3)


def _message(results, **options):
    with pytest.raises(InputError) as error:
        pack(results, **options)
    return str(error.value)


def test_image_size_from_the_first_image(results, tmp_path, monkeypatch):
    for path in run_folder(results, None).glob("*_info.json"):
        edit_json(path, image_size=None)
    message = refused(results)
    assert "unknown image sizes (2)" in message
    assert "oxuva_path" in message
    (tmp_path / "oxuva").mkdir()
    monkeypatch.setenv("PYTRACKING_OXUVA_PATH", str(tmp_path / "oxuva"))
    assert "cannot read image" in refused(results)
    for video, frame in (("vid0147", 4080), ("vid0028", 0)):
        folder = tmp_path / "oxuva" / "images" / "test" / video
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / f"{frame:06d}.jpeg"), np.zeros((50, 100, 3), np.uint8))
    assert ",4081,false,0.900000,0.112500,0.412500,0.410000,1.000000\n" in read_zip(pack(results))[f"{NAME}.csv"]


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        ([10, 10, 20, 20], [0.1, 0.3, 0.2, 0.6]),
        ([-10, -10, 500, 500], [0, 1, 0, 1]),
        ([200, 200, 10, 10], [1, 1, 1, 1]),
        ([-50, -50, 10, 10], [0, 0, 0, 0]),
        ([10, 10, 0, 0], [0.1, 0.1, 0.2, 0.2]),
        ([10, 10, -5, -5], [0.1, 0.1, 0.2, 0.2]),
    ],
)
def test_relative_corners(box, corners):
    np.testing.assert_allclose(module.relative_corners(np.array([box], dtype=float), (100, 50)), [corners])


RESULT_DEFECTS = {
    "missing": (lambda folder: (folder / f"{NAME}.txt").unlink(), f"without number (1):\n    {NAME}"),
    "short": (lambda folder: edit_lines(folder / f"{NAME}.txt", lambda lines: lines[1:]), "2 rows, 3 frames"),
    "no scores": (lambda folder: (folder / f"{NAME}_object_presence_scores.txt").unlink(), "missing files"),
    "few scores": (
        lambda folder: edit_lines(folder / f"{NAME}_object_presence_scores.txt", lambda lines: lines[:1]),
        "_object_presence_scores: 1 rows, 3 frames",
    ),
    "few flags": (lambda folder: edit_lines(folder / f"{NAME}_flags.txt", lambda lines: lines[:1]), "1 rows, 3 frames"),
    "no text": (lambda folder: (folder / f"{NAME}_flags.txt").write_bytes(b"\xff\xfe"), "malformed files"),
    "negative": (lambda folder: edit_lines(folder / f"{NAME}.txt", lambda lines: ["1,1,1,-1"] * 3), "negative sizes"),
    "infinite": (lambda folder: edit_lines(folder / f"{NAME}.txt", lambda lines: ["1,1,1,inf"] * 3), "finite numbers"),
    "mixed": (lambda folder: edit_json(folder / f"{NAME}_info.json", hash="abc"), "results of other parameters"),
}


@pytest.mark.parametrize("defect", RESULT_DEFECTS)
def test_defects_of_results(results, defect):
    break_it, word = RESULT_DEFECTS[defect]
    break_it(run_folder(results, None))
    assert word in refused(results)


def _replace(old, new):
    return lambda m: m.update({f"{NAME}.csv": m[f"{NAME}.csv"].replace(old, new)})


ZIP_DEFECTS = {
    "missing": (lambda m: m.pop(f"{NAME}.csv"), "missing files"),
    "foreign": (lambda m: m.update({"readme.md": ""}), "files that do not belong there"),
    "first frame": (
        lambda m: m.update({f"{NAME}.csv": "vid0147,obj0001,4080,true,1,0,1,0,1\n" + m[f"{NAME}.csv"]}),
        "3 rows, 2 frames",
    ),
    "tabs": (_replace(",", "\t"), "rows without the 9 comma-separated columns"),
    "other object": (_replace("obj0001", "obj0000"), "another video or object"),
    "presence": (_replace("true", "present"), "neither true nor false"),
    "frame number": (_replace("4082", "4083"), "do not count up"),
    "NaN": (_replace("0.600000", "nan"), "not finite numbers"),
    "pixels": (_replace("0.600000", "60"), "0 <= min <= max <= 1"),
    "order": (_replace("0.000000,1.000000", "1.000000,0.000000"), "0 <= min <= max <= 1"),
}


@pytest.mark.parametrize("defect", ZIP_DEFECTS)
def test_defects_of_a_zip(results, defect):
    break_it, word = ZIP_DEFECTS[defect]
    members = read_zip(pack(results))
    break_it(members)
    with pytest.raises(InputError) as error:
        module.check_oxuva_package(write_zip(results / "theirs.zip", members))
    assert word in str(error.value)


def test_what_the_server_also_takes(results):
    header = ",".join(module.COLUMNS) + "\r\n"
    members = {f"mine/{name}": header + text.replace("\n", "\r\n") for name, text in read_zip(pack(results)).items()}
    members = {name: text.replace("true", "True") for name, text in members.items()}
    module.check_oxuva_package(write_zip(results / "theirs.zip", members))


def test_other_split(results):
    assert "missing results, run without number (1):\n    vid0029_obj0000" in refused(results, split="dev")
    with pytest.raises(InputError, match="give the other --split"):
        module.check_oxuva_package(pack(results), split="dev")


def test_command_line(results, capsys):
    arguments = [*TRACKER, "--results_path", str(results)]
    assert module.main([*arguments, "--presence_threshold", "0.3"]) == 0
    path = results / "packed" / "oxuva_test" / "wander_default.zip"
    assert module.main(["--check", str(path)]) == 0
    assert module.main(["--check", str(path), "--split", "dev"]) == 2
    assert "give the other --split" in capsys.readouterr().err
