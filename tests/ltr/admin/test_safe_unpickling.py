"""Files that pickle classes and functions: nothing in them is imported or run."""

import contextlib
import gzip
import os
import pickle
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from ltr.admin.safe_unpickling import CheckpointError, load_plain, pickled_names
from tests.ltr.admin.training_files import CURRENT_NAMES, OLD_NAMES, importable, write_training_file

ROOT = Path(__file__).parents[3]
FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def save(path: Path, content: object, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


class Calls:
    """Pickles as the call `function(*args)`, with `state` to be set on the result."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.parts = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


@FORMATS
@pytest.mark.parametrize("names", [CURRENT_NAMES, OLD_NAMES], ids=["ltr", "dlframework"])
def test_training_file_becomes_plain_values(tmp_path: Path, names: dict[str, str], zipped: bool) -> None:
    weights = {"conv.weight": torch.randn(2, 3), "bn.num_batches_tracked": torch.tensor(7)}
    kwds = {"filter_size": 4, "layers": ["layer3"], "act_param": None, "detach_length": float("inf"), "shape": (2, 3)}
    path = write_training_file(tmp_path / "DiMPnet_ep0050.pth.tar", weights, "dimpnet50", kwds, names, zipped)
    imported = set(sys.modules)

    content = load_plain(path)

    assert not {name for name in set(sys.modules) - imported if not name.startswith("encodings.")}
    assert list(content) == [
        "epoch", "actor_type", "net_type", "net", "net_info", "constructor", "optimizer", "stats", "settings",
    ]  # fmt: skip
    assert type(content["net"]) is dict
    assert all(torch.equal(content["net"][key], weights[key]) for key in weights)
    assert content["constructor"] == {
        "pickled_class": names["NetConstructor"] + ".NetConstructor",
        "fun_name": "dimpnet50",
        "fun_module": "ltr.models.tracking.dimpnet",
        "args": (),
        "kwds": kwds,
    }
    assert content["settings"]["env"]["workspace_dir"] == "/home/someone/ltr"
    meter = content["stats"]["train"]["Loss/total"]
    assert {key: meter[key] for key in ("val", "avg", "count")} == {"val": 0.5, "avg": 0.25, "count": 4}
    assert type(meter["avg"]) is float
    assert type(meter["count"]) is int
    assert content["stats"]["train"]["LearningRate/group0"]["val"] == float(np.float32(2e-4))
    assert content["optimizer"]["state"][140_234_567_890_123]["step"] == 7


@FORMATS
def test_weights_saved_on_a_gpu_load_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    path = save(tmp_path / "gpu.pth", {"w": torch.arange(3.0)}, zipped)
    assert b"cuda:0" in path.read_bytes()
    assert load_plain(path)["w"].device.type == "cpu"


@FORMATS
def test_tensor_kinds_and_containers(tmp_path: Path, zipped: bool) -> None:
    content = {
        "parameter": nn.Parameter(torch.ones(2)),
        "half": torch.ones(2).half(),
        "array": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big_endian": np.arange(3, dtype=">i4"),
        "numpy_bool": np.bool_(True),
        "set": {1, 2},
        "bytes": b"\x00\xff",
        "complex": 1 + 2j,
        "size": torch.Size([2]),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "ordered": OrderedDict(a=1),
        3: "integer key",
    }
    loaded = load_plain(save(tmp_path / "x.pth", content, zipped))
    assert loaded["half"].dtype == torch.float16
    assert torch.equal(loaded["parameter"], content["parameter"])
    for key in ("array", "big_endian"):
        np.testing.assert_array_equal(loaded[key], content[key])
    for key in ("set", "bytes", "complex", "size", "dtype", "device", "ordered", "numpy_bool", 3):
        assert loaded[key] == content[key]


def test_shared_and_self_referring_objects(tmp_path: Path) -> None:
    with importable(Settings="ltr.admin.settings") as classes:
        settings = classes.Settings()
        settings.itself, settings.shared = settings, [1]
        save(tmp_path / "x.pth", {"a": settings, "b": settings.shared, "class": classes.Settings})
    loaded = load_plain(tmp_path / "x.pth")
    assert loaded["a"]["itself"] is loaded["a"]
    assert loaded["a"]["shared"] is loaded["b"]
    assert loaded["class"] == "ltr.admin.settings.Settings"


def test_states_of_other_forms(tmp_path: Path) -> None:
    with importable(Settings="ltr.admin.settings") as classes:
        content = [
            Calls(classes.Settings, 1, "two", state=({"a": 1}, {"slot": 2})),
            Calls(classes.Settings, state=[3]),
        ]
        save(tmp_path / "x.pth", content)
    assert load_plain(tmp_path / "x.pth") == [
        {"pickled_class": "ltr.admin.settings.Settings", "pickled_args": (1, "two"), "a": 1, "slot": 2},
        {"pickled_class": "ltr.admin.settings.Settings", "pickled_state": [3]},
    ]


MALICIOUS: dict[str, Callable[[str], Calls]] = {
    "posix.system": lambda marker: Calls(os.system, f"echo run > {marker}"),
    "builtins.eval": lambda marker: Calls(eval, f"open({marker!r}, 'w')"),
    "builtins.exec": lambda marker: Calls(exec, f"open({marker!r}, 'w')"),
    "io.open": lambda marker: Calls(open, marker, "w"),
    "builtins.getattr": lambda marker: Calls(getattr, Calls(open, marker, "w"), "name"),
    "torch.serialization.save": lambda marker: Calls(torch.save, {"x": 1}, marker),
    "torch.hub.download_url_to_file": lambda marker: Calls(torch.hub.download_url_to_file, "file:///etc", marker),
    "numpy.save": lambda marker: Calls(np.save, marker, 1),
}


@FORMATS
@pytest.mark.parametrize("name", MALICIOUS)
def test_calls_are_refused_by_name(tmp_path: Path, name: str, zipped: bool) -> None:
    marker = tmp_path / "marker"
    call = MALICIOUS[name](str(marker))
    path = save(tmp_path / "evil.pth", {"net": {"w": torch.ones(1)}, "constructor": call}, zipped)
    with pytest.raises(CheckpointError, match=rf"(?s)nothing in it was run.*'{name}'.*torch\.save"):
        load_plain(path)
    assert list(tmp_path.iterdir()) == [path]


@FORMATS
@pytest.mark.parametrize("name", MALICIOUS)
def test_torch_refuses_what_the_list_of_names_misses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, zipped: bool
) -> None:
    path = save(tmp_path / "evil.pth", {"net": MALICIOUS[name](str(tmp_path / "marker"))}, zipped)
    monkeypatch.setattr("ltr.admin.safe_unpickling.pickled_names", lambda path: set())
    with pytest.raises(CheckpointError, match="refused by torch's safe loader") as caught:
        load_plain(path)
    assert "weights_only=False" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def replace_pickle(path: Path, pickled: bytes) -> Path:
    """A zip file of torch.save whose pickle is this one."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    return path


def test_calls_of_names_in_our_packages_are_inert(tmp_path: Path) -> None:
    # protocol 2 pickles of "ltr.admin.safe_unpickling.os.system('touch marker')" and the like, written by hand
    for name in (b"ltr.admin.safe_unpickling\nos.system", b"ltr.admin\nconvert_checkpoint.main", b"pytracking\nx"):
        path = replace_pickle(tmp_path / "x.pth", b"\x80\x02c" + name + b"\nX\x01\x00\x00\x00a\x85R.")
        qualified = name.decode().replace("\n", ".")
        assert load_plain(path) == {"pickled_class": qualified, "pickled_args": ("a",)}


@pytest.mark.parametrize("protocol", [4, 5])
def test_names_by_other_instructions_are_refused(tmp_path: Path, protocol: int) -> None:
    evil = Calls(os.system, f"echo run > {tmp_path / 'marker'}")
    path = replace_pickle(tmp_path / "x.pth", pickle.dumps({"net": evil}, protocol=protocol))
    with pytest.raises(CheckpointError, match="STACK_GLOBAL"):
        load_plain(path)
    path = replace_pickle(tmp_path / "y.pth", b"(S'echo run > " + bytes(tmp_path / "marker") + b"'\nios\nsystem\n.")
    with pytest.raises(CheckpointError, match="INST"):
        load_plain(path)
    assert not (tmp_path / "marker").exists()


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pth", {"array": np.array([{}, None], dtype=object)})
    with pytest.raises(CheckpointError, match="not a number type"):
        load_plain(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_pickled_network_is_refused(tmp_path: Path, zipped: bool) -> None:
    with pytest.raises(CheckpointError, match=r"torch\.nn\.modules\.linear\.Linear"):
        load_plain(save(tmp_path / "x.pth", nn.Linear(2, 2), zipped))


def test_globals_of_the_program_are_kept_and_not_used(tmp_path: Path) -> None:
    class Allowed:
        calls = 0

        def __init__(self) -> None:
            Allowed.calls += 1

    name = "ltr.admin.settings.Settings"
    with importable(Settings="ltr.admin.settings") as classes:
        path = save(tmp_path / "x.pth", Calls(classes.Settings))
        evil = save(tmp_path / "y.pth", Calls(os.system, "true"))
    with torch.serialization.safe_globals([(Allowed, name)]):
        before = set(torch.serialization.get_safe_globals())  # torch keeps them in a set: their order is arbitrary
        assert load_plain(path) == {"pickled_class": name}
        with pytest.raises(CheckpointError):
            load_plain(evil)
        assert set(torch.serialization.get_safe_globals()) == before
    assert Allowed.calls == 0


def test_threads_load_side_by_side(tmp_path: Path) -> None:
    path = write_training_file(tmp_path / "x.pth", {"w": torch.ones(5)})
    failures: list[Exception] = []

    def load_often() -> None:
        try:
            for _ in range(10):
                load_plain(path)
        except CheckpointError as error:
            failures.append(error)

    threads = [threading.Thread(target=load_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def _tar(path: Path) -> None:
    path.with_name("inside").write_text("x")
    with tarfile.open(path, "w") as archive:
        archive.add(path.with_name("inside"))


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("networks/dimp50.pth", b"x")


OTHER_KINDS = {
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "Drive page": (
        lambda path: path.write_text("\n <!DOCTYPE html><html><head><title>Google Drive"),
        "web page.*browser",
    ),
    "git-lfs": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0"),
        "git lfs pull",
    ),
    "tar": (_tar, "tar or gzip archive.*as it was downloaded"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"x")), "tar or gzip archive"),
    "other zip": (_zip, r"did not write \(it holds networks/dimp50\.pth\); unpack"),
    "text": (lambda path: path.write_text("hello"), r"unknown \(b'hello' \.\.\.\); expected"),
    "image": (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0" * 100), "unknown"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps({"net": 1})), "pickle that torch.save did not write"),
    "TorchScript": (lambda path: torch.jit.script(nn.Linear(1, 1)).save(path), "TorchScript"),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore:`torch.jit:FutureWarning")
def test_other_kinds_of_files_are_told_apart(tmp_path: Path, kind: str) -> None:
    write, message = OTHER_KINDS[kind]
    write(tmp_path / "dimp50.pth")
    with pytest.raises(CheckpointError, match=r"dimp50\.pth.*" + message):
        load_plain(tmp_path / "dimp50.pth")


@FORMATS
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.999])
def test_truncated_files_are_called_damaged(tmp_path: Path, zipped: bool, kept: float) -> None:
    path = write_training_file(tmp_path / "x.pth", {"w": torch.randn(300, 3)}, zipped=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(CheckpointError, match=r"x\.pth \([\d,]+ bytes\) is damaged or incomplete"):
        load_plain(path)


@FORMATS
@given(seed=st.integers(0, 10_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bytes_load_or_are_a_checkpoint_error(tmp_path: Path, zipped: bool, seed: int) -> None:
    path = write_training_file(tmp_path / "x.pth", {"w": torch.ones(2)}, zipped=zipped)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for position in rng.integers(len(content), size=3):
        content[position] = rng.integers(256)
    path.write_bytes(content)
    with contextlib.suppress(CheckpointError):
        load_plain(path)


def test_names_are_listed_without_loading(tmp_path: Path) -> None:
    path = write_training_file(tmp_path / "x.pth", {"w": torch.ones(1)}, zipped=False)
    ours = {name for name in pickled_names(path) if name.startswith("ltr.")}
    assert ours == {f"{module}.{name}" for name, module in CURRENT_NAMES.items()}


def test_importing_costs_torch_alone() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import ltr.admin.loading; "
        "print(*sorted(name.split('.')[0] for name in set(sys.modules) - before))"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    outside = set(printed.split()) - set(sys.stdlib_module_names)
    assert outside <= {"ltr"}
