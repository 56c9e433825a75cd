"""Images of a sequence, the next one decoded while the tracker works on the current one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as SequenceOf
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ltr.common.image import read_image
from ltr.common.types import Image


class ReadAhead:
    """Image files in their order, decoded in a thread at most one image ahead of the reader.

    `next()` raises what the reading of that image raises, at that image, and can then go on to the next one. OpenCV
    decodes without Python's lock. Used as a context manager, its thread ends with the block, whatever happens in it.
    """

    def __init__(self, paths: SequenceOf[str | Path], read: Callable[[str | Path], Image] = read_image) -> None:
        self._paths = iter(paths)
        self._read = read
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._submit()

    def __iter__(self) -> Iterator[Image]:
        return self

    def __next__(self) -> Image:
        if self._next is None:
            raise StopIteration
        current = self._next
        try:
            image = current.result()
        finally:
            self._submit()
        return image

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self) -> None:
        path = next(self._paths, None)
        self._next = None if path is None else self._executor.submit(self._read, path)
