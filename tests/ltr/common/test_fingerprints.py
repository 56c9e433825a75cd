import os
import shutil

import pytest

from ltr.common import fingerprints
from ltr.common.errors import InputError
from ltr.common.fingerprints import files_fingerprint


def write(folder, contents):
    folder.mkdir(parents=True)
    paths = [folder / f"{number:04d}.bmp" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def test_a_copy_on_another_disk_is_the_same(tmp_path):
    files = write(tmp_path / "a", [b"%d" % number for number in range(100)])
    before = files_fingerprint(files)
    copies = [shutil.copyfile(path, tmp_path / path.name) for path in files]
    for path in copies:
        os.utime(path, (1, 1))
    assert files_fingerprint(copies) == before == files_fingerprint([str(path) for path in files])
    assert len(before) == 16


@pytest.mark.parametrize("number", range(8))
def test_every_image_of_a_short_sequence_counts(tmp_path, number):
    contents = [b"pixels"] * 8
    other = [b"pixelz" if index == number else content for index, content in enumerate(contents)]
    assert files_fingerprint(write(tmp_path / "a", contents)) != files_fingerprint(write(tmp_path / "b", other))


def test_long_sequences(tmp_path):
    """Contents of equal size, as of uncompressed images; names and their order; the last of many images."""
    files = write(tmp_path / "visible", [b"visible " * 9] * 3000)
    others = write(tmp_path / "infrared", [b"infrared" * 9] * 3000)
    renamed = shutil.copyfile(files[-1], tmp_path / "x.bmp")
    found = [files, others, files[::-1], files[:-1], [*files[:-1], others[-1]], [*files[:-1], renamed]]
    assert len({files_fingerprint(some) for some in found}) == len(found)


def test_of_a_large_file_parts_are_read(tmp_path):
    size = 5 * fingerprints.NUM_BLOCKS * fingerprints.BLOCK
    video = tmp_path / "video.mp4"
    content = bytearray(size)
    video.write_bytes(content)
    found = {files_fingerprint([video])}
    for offset in (0, size // 15 * 7, size - 1):
        content[offset] = 1
        video.write_bytes(content)
        found.add(files_fingerprint([video]))
    video.write_bytes(content + b"0")
    found.add(files_fingerprint([video]))
    assert len(found) == 5


def test_cheap(tmp_path, monkeypatch):
    files = write(tmp_path / "a", [b"pixels"] * 1000)
    looks = []
    for name in ("stat", "open"):
        original = getattr(type(files[0]), name)
        monkeypatch.setattr(
            type(files[0]), name, lambda self, *a, _f=original, _n=name, **o: (looks.append(_n), _f(self, *a, **o))[1]
        )
    files_fingerprint(files)
    assert (looks.count("stat"), looks.count("open")) == (32, 8)


def test_unreadable(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*gone\.jpg: No such file"):
        files_fingerprint([tmp_path / "gone.jpg"])
