"""What two runs of the same sequences must agree in."""

import json
from pathlib import Path
from typing import Any

from ltr.common.provenance import LOAD


def stored(folder: Path) -> dict[str, Any]:
    """Contents of the files of a result folder by name, byte for byte but for what measures the process.

    Left out: `_time.txt`, and of the records fps, date, peak memory, and the load. Hidden files are not left out:
    a run leaves none.
    """
    files = sorted(path for path in folder.iterdir() if not path.name.endswith("_time.txt"))
    return {path.name: _timeless(path) if path.suffix == ".json" else path.read_bytes() for path in files}


def _timeless(path: Path) -> Any:
    if path.name == "run.json":
        return path.read_bytes()
    record = json.loads(path.read_text())
    for key in ("fps", "date", "peak_memory"):
        del record[key]
    for key in LOAD:
        del record["environment"][key]
    return record
