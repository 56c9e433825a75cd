"""Memory and time per frame of one tracker over a very long video.

    python benchmarks/long_stream.py [rls_dimp_lite] [--frames 20000] [--device cpu] [--output stream.json]

The longest demo sequence runs forwards and backwards in turn, so that the target never jumps; images are read from
their files, one ahead in a thread. Every 1,000 frames: median time of a frame, resident memory of the process (on a GPU
what PyTorch holds there), and the number of columns of P. Flat means: the last rows are as the second one.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from ltr.common.provenance import describe_environment
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.frame_loop import clock
from pytracking.evaluation.prefetch import ReadAhead
from pytracking.evaluation.tracker import Tracker

CHUNK = 1000


def memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def there_and_back(paths: list[Path], count: int) -> list[Path]:
    cycle = itertools.cycle([*paths, *paths[-2:0:-1]])
    return list(itertools.islice(cycle, count))


def measure(parameters: str, count: int, device: str | None, chunk: int) -> dict[str, Any]:
    sequence = max(get_dataset("demo"), key=len)
    named = Tracker("dimp", parameters, device=device)
    tracker: Any = named.start(sequence.name, named.get_parameters())
    rows: list[dict[str, float]] = []
    seconds: list[float] = []
    with ReadAhead(there_and_back([Path(path) for path in sequence.frames], count)) as images:
        for index, image in enumerate(images):
            start = clock(tracker)
            result = tracker.track(image) if index else tracker.initialize(image, sequence.init_info())
            seconds.append(clock(tracker) - start)
            if (index + 1) % chunk == 0:
                inverse = getattr(tracker.classifier.optimizer, "P", None)
                rows.append(
                    {
                        "frames": index + 1,
                        "median_ms": 1e3 * float(np.median(seconds)),
                        "memory_bytes": memory_bytes(tracker.device),
                        "rank": getattr(inverse, "rank", 0),
                        "score": float(result["object_presence_score"]),
                    }
                )
                seconds.clear()
    return {"environment": describe_environment(device), "parameters": parameters, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parameters", nargs="?", default="rls_dimp_lite")
    parser.add_argument("--frames", type=int, default=20000)
    parser.add_argument("--chunk", type=int, default=CHUNK, help=f"frames of a row (default: {CHUNK})")
    parser.add_argument("--device")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    result = measure(args.parameters, args.frames, args.device, args.chunk)
    table = Table("frames", "median ms", "memory, MiB", "columns of P", "score")
    for row in result["rows"]:
        memory = f"{row['memory_bytes'] / 2**20:.1f}"
        table.add_row(str(row["frames"]), f"{row['median_ms']:.2f}", memory, str(row["rank"]), f"{row['score']:.2f}")
    Console().print(table)
    if args.output:
        args.output.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
