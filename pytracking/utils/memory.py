"""The highest memory use of a stretch of work."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"  # of the resident memory; see proc(5)


class PeakMemory:
    """Peak since it was made: of what PyTorch holds on a GPU, else of the resident memory of the whole process.

    The process holds libraries and networks too, so numbers of the two kinds are not to be compared. Where the system
    cannot restart its count (other systems than Linux), a process's peak is that since its start.
    """

    def __init__(self, device: torch.device | None) -> None:
        self._gpu = device if device is not None and device.type == "cuda" else None
        if self._gpu is not None:
            import torch

            torch.cuda.reset_peak_memory_stats(self._gpu)
        else:
            with contextlib.suppress(OSError):
                _CLEAR_REFS.write_text(_RESET_PEAK)

    def bytes(self) -> int | None:
        """The peak until now; None where the system does not tell."""
        if self._gpu is not None:
            import torch

            return int(torch.cuda.max_memory_allocated(self._gpu))
        return _resident_peak()


def _resident_peak() -> int | None:
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
