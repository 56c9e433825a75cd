import pytest

from ltr.common.errors import InputError
from pytracking.util_scripts import pack_trackingnet_results as module
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

FRAMES = {"-0kWRmGrwNo_0": 3, "zMA_vT3ijcM_1": 4}
FIRST, SECOND = FRAMES


@pytest.fixture
def results(tmp_path, monkeypatch):
    """One run on two sequences, with results of another data set beside them."""
    monkeypatch.setattr(module, "NUM_SEQUENCES", 2)
    save_run(tmp_path, None, {name: make_output(count) for name, count in FRAMES.items()}, "trackingnet")
    save_run(tmp_path, None, {"uav_person1_1": make_output(2), "Basketball": make_output(2)}, "uav")
    return tmp_path


@pytest.fixture(params=["TEST", "."])
def dataset(tmp_path, monkeypatch, request):
    """The folder of the test set, with or without the rest of the data set; no images."""
    root = tmp_path / "trackingnet"
    (root / request.param / "anno").mkdir(parents=True)
    for name in FRAMES:
        (root / request.param / "anno" / f"{name}.txt").write_text("1,2,3,4\n")
    monkeypatch.setenv("PYTRACKING_TRACKINGNET_PATH", str(root))
    return root / request.param


def pack(results, **options):
    return module.pack_trackingnet_results(*TRACKER, results_path=results, **options)


def refused(results, **options):
    """Message of the refusal; nothing was written."""
    with pytest.raises(InputError) as error:
        pack(results, **options)
    assert not (results / "packed").exists()
    return str(error.value)


def test_layout(results, capsys):
    path = pack(results)
    assert path == results / "packed" / "trackingnet" / "wander_default.zip"
    rows = "10.2500,20.5000,30.0000,40.1250\n11.2500,20.5000,30.0000,40.1250\n12.2500,20.5000,30.0000,40.1250\n"
    members = read_zip(path)
    assert list(members) == [f"{FIRST}.txt", f"{SECOND}.txt"]
    assert members[f"{FIRST}.txt"] == rows
    text = capsys.readouterr().out
    assert "2 sequences, 7 boxes" in text
    assert "Protocol of TrackingNet" in text
    assert "trackingnet_path is not set" in text
    module.check_trackingnet_package(path)


def test_number_of_the_benchmark():
    assert module.NUM_SEQUENCES == 511


def test_numbered_run(results):
    run_folder(results, None).rename(run_folder(results, 3))
    assert "no folder" in refused(results)
    edit_json(run_folder(results, 3) / "run.json", run_id=3)
    assert pack(results, run_id=3).name == "wander_default_003.zip"


def test_data_set_gives_the_names(results, dataset):
    (run_folder(results, None) / f"{SECOND}.txt").unlink()
    message = refused(results)
    assert f"missing results, run without number (1):\n    {SECOND}" in message
    assert "--dataset_name trackingnet" in message


def test_incomplete_data_set(results, dataset):
    (dataset / "anno" / f"{SECOND}.txt").unlink()
    assert "1 annotations in" in refused(results)


def test_frames_are_counted_where_no_record_is(results, dataset):
    (run_folder(results, None) / f"{FIRST}_info.json").unlink()
    assert "unknown numbers of frames" in refused(results)
    images = dataset / "frames" / FIRST
    images.mkdir(parents=True)
    for number in range(3):
        (images / f"{number}.jpg").touch()
    assert len(read_zip(pack(results))) == 2


RESULT_DEFECTS = {
    "missing": (lambda folder: (folder / f"{FIRST}.txt").unlink(), "1 sequences, expected 2"),
    "short": (lambda folder: edit_lines(folder / f"{FIRST}.txt", lambda lines: lines[1:]), "2 rows, 3 frames"),
    "NaN": (lambda folder: edit_lines(folder / f"{FIRST}.txt", lambda lines: ["nan\t1\t1\t1"] * 3), "finite numbers"),
    "negative": (lambda folder: edit_lines(folder / f"{FIRST}.txt", lambda lines: ["1,1,1,-1"] * 3), "and 2 more rows"),
    "mixed": (lambda folder: edit_json(folder / f"{FIRST}_info.json", hash="abc"), "results of other parameters"),
    "no record": (lambda folder: (folder / f"{FIRST}_info.json").unlink(), "unknown numbers of frames"),
}


@pytest.mark.parametrize("defect", RESULT_DEFECTS)
def test_defects_of_results(results, defect):
    break_it, word = RESULT_DEFECTS[defect]
    break_it(run_folder(results, None))
    assert word in refused(results)


ZIP_DEFECTS = {
    "missing": (lambda m: m.pop(f"{FIRST}.txt"), "1 files, expected 2"),
    "foreign": (lambda m: m.update({"Basketball.txt": "1,2,3,4\n"}), "files that do not belong there"),
    "folder": (lambda m: m.update({f"a/{FIRST}.txt": m.pop(f"{FIRST}.txt")}), "files that do not belong there"),
    "tabs": (lambda m: m.update({f"{FIRST}.txt": "1\t2\t3\t4\n"}), "separators other than the comma"),
    "columns": (lambda m: m.update({f"{FIRST}.txt": "1,2,3,4,5\n"}), "rows without 4 columns"),
    "NaN": (lambda m: m.update({f"{FIRST}.txt": "1,2,3,nan\n"}), "rows that are not finite numbers"),
    "negative": (lambda m: m.update({f"{FIRST}.txt": "1,2,-3,1\n"}), "negative sizes"),
    "a folder around all": (
        lambda m: [m.update({f"a/{name}": m.pop(name)}) for name in list(m)], "a folder around everything"
    ),
}  # fmt: skip


@pytest.mark.parametrize("defect", ZIP_DEFECTS)
def test_defects_of_a_zip(results, defect):
    break_it, word = ZIP_DEFECTS[defect]
    members = read_zip(pack(results))
    break_it(members)
    with pytest.raises(InputError) as error:
        module.check_trackingnet_package(write_zip(results / "theirs.zip", members))
    assert word in str(error.value)


def test_zip_against_the_data_set(results, dataset):
    images = dataset / "frames" / FIRST
    images.mkdir(parents=True)
    (images / "0.jpg").touch()
    members = {f"{FIRST}.txt": "1,2,3,4\n" * 2, "abcdefghijk_0.txt": "1,2,3,4\n"}
    with pytest.raises(InputError) as error:
        module.check_trackingnet_package(write_zip(results / "theirs.zip", members))
    for word in (f"{FIRST}.txt: 2 rows, 1 frames", f"missing files (1):\n    {SECOND}", "abcdefghijk_0.txt"):
        assert word in str(error.value)


def test_command_line(results, capsys):
    arguments = [*TRACKER, "--results_path", str(results)]
    assert module.main([*arguments, "--output_name", "mine.zip"]) == 0
    path = results / "packed" / "trackingnet" / "mine.zip"
    assert module.main(["--check", str(path)]) == 0
    assert module.main([*arguments, "--runid", "7"]) == 2
    assert "no folder" in capsys.readouterr().err
