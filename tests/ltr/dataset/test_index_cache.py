import os

import numpy as np
import pytest

from ltr.dataset.index_cache import cached_index


@pytest.fixture
def source(tmp_path):
    for name in ("part/a/0.xml", "part/b/0.xml", "part/b/deep/1.xml"):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one")
    return tmp_path / "source"


def built(source, version=1):
    """Whether the index is made anew."""
    calls = []

    def build():
        calls.append(1)
        return {"numbers": np.arange(3)}

    index = cached_index("toy", source, version, build)
    assert list(index) == ["numbers"]
    np.testing.assert_array_equal(index["numbers"], np.arange(3))
    return bool(calls)


def remove(source):
    (source / "part/b/deep/1.xml").unlink()


def touch(source):
    os.utime(source / "part/a/0.xml", ns=(1, 1))


def replace_by_another(source):
    """Same name, same time of change."""
    path = source / "part/a/0.xml"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text("longer")
    os.utime(path, ns=times)


CHANGES = [
    remove,
    touch,
    replace_by_another,
    lambda source: (source / "part/a/1.xml").write_text("new"),
    lambda source: (source / "part/b/deep/1.xml").write_text("two"),
    lambda source: (source / "part/b").rename(source / "part/c"),
    lambda source: (source / "part/a/0.xml").rename(source / "part/a/1.xml"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_changes_at_any_depth_are_noticed(source, change):
    assert built(source)
    assert not built(source)
    change(source)
    assert built(source)
    assert not built(source)


def test_format_file_and_place(source, tmp_path):
    assert built(source)
    assert built(source, version=2)
    path = source / "part/a/0.xml"
    assert built(path)
    assert not built(path)
    path.write_text("longer")
    assert built(path)
    source.rename(tmp_path / "elsewhere")
    assert built(tmp_path / "elsewhere", version=2)
    names = sorted(path.name for path in (tmp_path / "workspace" / "index").iterdir())
    assert len(names) == 3  # one for each place: what is out of date gives way
    assert all(name.startswith("toy-") for name in names)
