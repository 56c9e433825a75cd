"""Errors of memory, and of a GPU, after which a process had better end."""

from __future__ import annotations

import re
from collections.abc import Iterator

# PyTorch names what a GPU fails with by text alone: until 2.8 it raises RuntimeError, from the libraries still.
_DEVICE = re.compile(
    r"\b(CUDA|HIP|cuDNN|MIOpen|cuBLAS|cuSOLVER|cuSPARSE|cuFFT)( \w+)? error"
    r"|\b(CU|HIP|ROC|MIOPEN)[A-Z]*_STATUS_(?!SUCCESS)"
    r"|CUDA call failed|Triton Error \[(CUDA|HIP)\]|CUDACachingAllocator|device-side assert"
    r"|unable to find an engine|valid cuDNN algorithm",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"out of memory|_ALLOC_FAILED|(can't|cannot) allocate memory|not enough memory", re.IGNORECASE)


class DeviceError(RuntimeError):
    """A GPU failed; the processes that used it cannot use it any more."""

    def __init__(self, found: str, advice: str = "only a new process can use it") -> None:
        super().__init__(found, advice)  # what pickle makes the same error of
        self.found = found  # in one line
        self.advice = advice

    def __str__(self) -> str:
        return f"the GPU failed: {self.found}; {self.advice}: start the same command again, what is finished is kept"


def device_error(error: BaseException) -> DeviceError | None:
    """The failure of a GPU that `error` is, or that is behind it; None where there is none.

    Every further use of the GPU by this process fails. Running out of memory is no such failure.
    """
    for link in _chain(error):
        if isinstance(link, DeviceError):
            return link
        if _is_memory(link):
            return None
        if type(link).__name__ == "AcceleratorError" or _DEVICE.search(str(link)):
            return DeviceError((str(link).strip() or type(link).__name__).splitlines()[0])
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of a GPU or of the machine, ran out."""
    return any(map(_is_memory, _chain(error)))


def _is_memory(error: BaseException) -> bool:
    is_named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's
    return is_named or (isinstance(error, RuntimeError) and _MEMORY.search(str(error)) is not None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was raised from, or while handling."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
