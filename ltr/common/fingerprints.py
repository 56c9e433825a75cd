"""Fingerprints of image and video files: cheap, the same on another disk, different for other pictures.

Dates and folders do not count, because copying changes them. All names count, but of the thousands of images of a
sequence only some are looked at: on a network disk each look takes about a millisecond.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence as SequenceOf
from pathlib import Path

from ltr.common.errors import InputError

NUM_SIZES = 32  # files whose sizes count, evenly spaced from the first to the last
NUM_CONTENTS = 8  # files whose contents count, likewise
NUM_BLOCKS = 16  # of a larger file these count, evenly spaced from its beginning to its end
BLOCK = 2**16  # bytes; files of up to NUM_BLOCKS of them, nearly all images, are read as a whole
LENGTH = 16  # hexadecimal digits: 64 bits


def files_fingerprint(files: SequenceOf[str | Path]) -> str:
    """Fingerprint of files in their order: all names without folders, sizes of 32, contents of 8.

    At most 32 calls of `stat`, 8 files opened and 8 MiB read. Other pictures compress to other sizes and bytes, so that
    equal fingerprints mean equal files unless someone changed a few that lie between those looked at.
    Raises InputError for a file that is not there or cannot be read.
    """
    paths = [Path(file) for file in files]
    digest = hashlib.sha256("\n".join(path.name for path in paths).encode(errors="surrogateescape"))
    try:
        for index in _spread(len(paths), NUM_SIZES):
            digest.update(b"%d " % paths[index].stat().st_size)
        for index in _spread(len(paths), NUM_CONTENTS):
            _add_content(digest, paths[index])
    except OSError as error:
        raise InputError(f"cannot read {error.filename or paths[0]}: {error.strerror or error}") from error
    return digest.hexdigest()[:LENGTH]


def _add_content(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size <= NUM_BLOCKS * BLOCK:
            digest.update(file.read())
            return
        for offset in _spread(size - BLOCK + 1, NUM_BLOCKS):
            file.seek(offset)
            digest.update(file.read(BLOCK))


def _spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` of the numbers below `count`, evenly spaced, the first and the last among them."""
    if count <= wanted:
        return list(range(count))
    return [number * (count - 1) // (wanted - 1) for number in range(wanted)]
