import pytest

from ltr.common.errors import InputError
from pytracking.evaluation import Tracker
from pytracking.util_scripts import pack_got10k_results as module
from tests.pytracking.dummy import TRACKERS
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

FIRST, SECOND = "GOT-10k_Test_000001", "GOT-10k_Test_000002"
FRAMES = {FIRST: 3, SECOND: 5}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Three runs on two sequences."""
    monkeypatch.setattr(module, "SEQUENCES", (FIRST, SECOND))
    for run in range(3):
        save_run(tmp_path, run, {name: make_output(count, run) for name, count in FRAMES.items()}, "got10k_test")
    return tmp_path


def pack(results, **options):
    return module.pack_got10k_results(*TRACKER, "mine", results_path=results, **options)


def refused(results):
    """Message of the refusal; nothing was written."""
    with pytest.raises(InputError) as error:
        pack(results)
    assert not (results / "packed").exists()
    assert "nothing was written" in str(error.value)
    return str(error.value)


def test_layout(results, capsys):
    path = pack(results)
    assert path == results / "packed" / "got10k" / "mine.zip"
    assert [p.name for p in path.parent.iterdir()] == ["mine.zip"]
    members = read_zip(path)
    assert list(members) == [f"{name}/{name}_{part}.txt" for name in FRAMES for part in ("001", "002", "003", "time")]
    rows = "10.3750,20.5000,30.0000,40.1250\n11.3750,20.5000,30.0000,40.1250\n12.3750,20.5000,30.0000,40.1250\n"
    assert members[f"{FIRST}/{FIRST}_002.txt"] == rows
    times = "0.50000000,0.50000000,0.50000000\n" + "0.06250000,0.18750000,0.31250000\n" * 2
    assert members[f"{FIRST}/{FIRST}_time.txt"] == times
    text = capsys.readouterr().out
    assert "training split alone" in text
    assert str(path) in text
    before = path.read_bytes()
    assert pack(results).read_bytes() == before  # nothing of the clock is in it


def test_own_package_is_valid(results, capsys):
    module.check_got10k_package(pack(results))
    assert "got10k_path is not set" in capsys.readouterr().out


def test_all_sequences(tmp_path, capsys):
    assert (len(module.SEQUENCES), module.SEQUENCES[-1]) == (180, "GOT-10k_Test_000180")
    for run in range(3):
        folder = run_folder(tmp_path, run)
        folder.mkdir(parents=True)
        for name in module.SEQUENCES:
            (folder / f"{name}.txt").write_text("1\t2\t3\t4\n" * 2)
            (folder / f"{name}_time.txt").write_text("0.1\n" * 2)
            (folder / f"{name}_info.json").write_text('{"frames": 2}')
    path = module.pack_got10k_results(*TRACKER, results_path=tmp_path)
    assert path.name == "wander_default.zip"
    assert len(read_zip(path)) == 180 * 4
    text = capsys.readouterr().out
    assert "no run.json of run 0, run 1, run 2" in text
    assert "all boxes of runs 0 and 2 are equal" in text


def test_network_is_named(results, capsys):
    edit_json(run_folder(results, 0) / "run.json", parameters={"net": {"net_path": "dimp50.pth"}})
    pack(results)
    assert "the network of these results: dimp50.pth" in capsys.readouterr().out


def _delete(name):
    return lambda folder: (folder / name).unlink()


def _edit(name, change):
    return lambda folder: edit_lines(folder / name, change)


def _set_row(row):
    return lambda lines: [lines[0], row, *lines[2:]]


RESULT_DEFECTS = {
    "missing": (_delete(f"{FIRST}.txt"), ["missing results, run 1", FIRST, "--runid 1", "--dataset_name got10k_test"]),
    "no times": (_delete(f"{FIRST}_time.txt"), ["missing files, run 1", f"{FIRST}_time.txt"]),
    "short": (_edit(f"{SECOND}.txt", lambda lines: lines[:-1]), ["4 rows, 5 frames", f"{SECOND}: 5, 4, 5 rows"]),
    "long": (_edit(f"{FIRST}.txt", lambda lines: [*lines, lines[-1]]), ["4 rows, 3 frames", "delete the files"]),
    "few times": (_edit(f"{FIRST}_time.txt", lambda lines: lines[1:]), [f"{FIRST}_time: 2 rows, 3 frames"]),
    "NaN": (_edit(f"{FIRST}.txt", _set_row("1\t2\tnan\t4")), ["finite", f"{FIRST}.txt, line 2"]),
    "columns": (_edit(f"{FIRST}.txt", _set_row("1\t2\t3")), ["expected 4 numbers, found 3", "line 2"]),
    "words": (_edit(f"{FIRST}_time.txt", _set_row("fast")), ["expected numbers, found 'fast'"]),
    "negative": (_edit(f"{FIRST}.txt", _set_row("-1\t-1\t-1\t-1")), ["row 2: -1 x -1", "output_not_found_box"]),
    "negative time": (_edit(f"{FIRST}_time.txt", _set_row("-0.5")), ["times that are no times", "-0.5"]),
    "zero times": (_edit(f"{FIRST}_time.txt", lambda lines: ["0"] * 3), ["times that are no times"]),
    "empty": (_edit(f"{FIRST}.txt", lambda lines: []), ["found an empty file"]),
    "no record": (_delete(f"{FIRST}_info.json"), ["unknown numbers of frames", f"{FIRST}_info.json", "got10k_path"]),
    "damaged record": (_edit(f"{FIRST}_info.json", lambda lines: lines[:2]), ["damaged records", f"{FIRST}_info.json"]),
    "mixed": (lambda folder: edit_json(folder / f"{FIRST}_info.json", hash="abc"), ["other parameters, run 1", "abc"]),
    "copied": (lambda folder: edit_json(folder / "run.json", run_id=0), ["run 1: run.json says run 0"]),
}  # fmt: skip


@pytest.mark.parametrize("defect", RESULT_DEFECTS)
def test_defects_of_results(results, defect):
    break_it, words = RESULT_DEFECTS[defect]
    break_it(run_folder(results, 1))
    message = refused(results)
    for word in words:
        assert word in message


def test_everything_at_once(results):
    for run, defect in ((0, "negative time"), (1, "short"), (2, "missing")):
        RESULT_DEFECTS[defect][0](run_folder(results, run))
    message = refused(results)
    for word in ("missing results, run 2", "times that are no times", "4 rows, 5 frames"):
        assert word in message


def test_runs_of_other_parameters(results):
    edit_json(run_folder(results, 2) / "run.json", hash="other", parameters={"step": 2.0, "delay": 0.0, "network": ""})
    message = refused(results)
    assert "run 0 and run 2: step 1.0 and 2.0" in message
    assert "--overwrite" in message


def test_runs_from_before_a_parameter_existed(results, monkeypatch):
    monkeypatch.setattr(Tracker, "tracker_package", TRACKERS)
    folder = run_folder(results, 2)
    kept = {"delay": 0.0, "network": "", "white": "", "memo": ""}
    for name in FRAMES:
        edit_json(folder / f"{name}_info.json", hash="before")
    edit_json(folder / "run.json", hash="before", parameters=kept | {"delay": 1.0})
    assert "run 0 and run 2: delay 0.0 and 1.0\n" in refused(results)
    edit_json(folder / "run.json", parameters=kept)
    assert pack(results).exists()


def test_runs_of_other_seeds_are_the_same_tracker(results, tmp_path):
    folder = run_folder(results, 2)
    for path in folder.iterdir():
        path.unlink()
    save_run(results, 2, {name: make_output(count, 2) for name, count in FRAMES.items()}, "got10k_test", seed=5)
    assert pack(results).exists()


def test_missing_run(results):
    run_folder(results, 1).rename(run_folder(results, None))
    message = refused(results)
    assert "run 1: no folder" in message
    assert "made without --runid" in message
    assert "missing results" not in message  # one line, not one for each sequence


@pytest.mark.parametrize("split", ["test", "."])
def test_frames_are_counted_where_no_record_is(results, tmp_path, monkeypatch, split):
    (run_folder(results, 0) / f"{FIRST}_info.json").unlink()
    images = tmp_path / "got10k" / split / FIRST
    images.mkdir(parents=True)
    for number in range(3):
        (images / f"{number:08d}.jpg").touch()
    monkeypatch.setenv("PYTRACKING_GOT10K_PATH", str(tmp_path / "got10k"))
    assert pack(results).exists()
    (images / "00000000.jpg").unlink()
    with pytest.raises(InputError, match="3 rows, 2 frames"):
        pack(results)


ZIP_DEFECTS = {
    "missing": (lambda m: m.pop(f"{FIRST}/{FIRST}_003.txt"), f"missing files (1):\n    {FIRST}/{FIRST}_003.txt"),
    "foreign": (lambda m: m.update({"readme.md": "hello"}), "files that do not belong there (1):\n    readme.md"),
    "no run number": (lambda m: m.update({f"{FIRST}/{FIRST}.txt": "1,2,3,4\n"}), "files that do not belong there"),
    "tabs": (lambda m: _replace(m, "001", ",", "\t"), "separators other than the comma"),
    "spaces": (lambda m: _replace(m, "time", ",", " "), "separators other than the comma"),
    "one time column": (lambda m: m.update({f"{FIRST}/{FIRST}_time.txt": "0.1\n" * 3}), "rows without 3 columns"),
    "five columns": (lambda m: _replace(m, "002", "\n", ",1\n"), "rows without 4 columns"),
    "infinite": (lambda m: _replace(m, "001", "20.5000", "inf"), "rows that are not finite numbers"),
    "negative": (lambda m: _replace(m, "003", "30.0000", "-3"), "negative sizes"),
    "short": (lambda m: m.update({f"{FIRST}/{FIRST}_001.txt": "1,2,3,4\n"}), "runs of different lengths"),
    "short times": (lambda m: m.update({f"{FIRST}/{FIRST}_time.txt": "1,1,1\n"}), "runs of different lengths"),
    "negative time": (lambda m: _replace(m, "time", "0.5", "-0.5"), "times that are no times"),
    "empty": (lambda m: m.update({f"{FIRST}/{FIRST}_001.txt": ""}), "empty files"),
}  # fmt: skip


def _replace(members, part, old, new):
    name = f"{FIRST}/{FIRST}_{part}.txt"
    members[name] = members[name].replace(old, new)


@pytest.mark.parametrize("defect", ZIP_DEFECTS)
def test_defects_of_a_zip(results, defect):
    break_it, word = ZIP_DEFECTS[defect]
    members = read_zip(pack(results))
    break_it(members)
    with pytest.raises(InputError) as error:
        module.check_got10k_package(write_zip(results / "theirs.zip", members))
    assert word in str(error.value)


def test_folder_around_the_sequences(results):
    members = {f"results/{name}": text for name, text in read_zip(pack(results)).items()}
    with pytest.raises(InputError) as error:
        module.check_got10k_package(write_zip(results / "theirs.zip", members))
    assert "a folder around everything (1):\n    results/" in str(error.value)
    assert "missing files" not in str(error.value)


def test_zip_against_the_images(results, monkeypatch, tmp_path):
    images = tmp_path / "got10k" / "test" / FIRST
    images.mkdir(parents=True)
    (images / "00000001.jpg").touch()
    path = pack(results)
    monkeypatch.setenv("PYTRACKING_GOT10K_PATH", str(tmp_path / "got10k"))
    with pytest.raises(InputError, match=f"{FIRST}_001.txt: 3 rows, 1 frames"):
        module.check_got10k_package(path)


def test_command_line(results, capsys):
    arguments = [*TRACKER, "--results_path", str(results)]
    assert module.main(arguments) == 0
    path = results / "packed" / "got10k" / "wander_default.zip"
    assert module.main(["--check", str(path)]) == 0
    assert capsys.readouterr().out.count(f"{path}: valid") == 2
    (run_folder(results, 0) / f"{FIRST}.txt").unlink()
    assert module.main([*arguments, "--output-name", "other"]) == 2
    assert "error: wander default for GOT-10k: 1 problems" in capsys.readouterr().err
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert module.main(["--check", str(results / "nothing.zip")]) == 2
    with pytest.raises(SystemExit):
        module.main(["dimp"])
