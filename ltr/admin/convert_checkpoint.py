"""Command: a network file of torch.save becomes a safetensors file, which holds no pickle.

python -m ltr.admin.convert_checkpoint dimp50.pth dimp50.safetensors
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ltr.admin.checkpoint import (
    Checkpoint,
    CheckpointError,
    conversion_of,
    file_sha256,
    read_checkpoint,
    save_checkpoint,
)
from ltr.common.files import check_output


def convert_checkpoint(
    source: str | Path, target: str | Path | None = None, architecture: str | None = None, overwrite: bool = False
) -> Checkpoint:
    """Write network, architecture, scalar entries (epoch, ...), name and SHA-256 of `source` to `target`.

    `target` is `source` with the suffix .safetensors by default. Settings, statistics and the optimizer's state are
    left behind. `architecture` is for files that hold weights alone. Returns what was written.

    Raises:
        CheckpointError: `source` cannot be read, see `read_checkpoint`.
        FileExistsError: `target` exists and `overwrite` is off.
        InputError: `target` is `source`.
        ValueError: the constructor arguments in `source` are not JSON values, or the target's suffix is another.
    """
    source = Path(source).expanduser()
    target = Path(target) if target else conversion_of(source)
    if target.suffix != ".safetensors":
        raise ValueError(f"{target}: expected a name ending in .safetensors")
    check_output(target, [source])
    content = read_checkpoint(source)
    scalars = {key: value for key, value in content.info.items() if isinstance(value, str | int | float | bool)}
    info = scalars | {"source_file": source.name, "source_sha256": file_sha256(source)}
    name = architecture or content.architecture
    written = replace(content, path=target, architecture=name, info=info)
    save_checkpoint(
        target,
        written.state_dict,
        name,
        written.kwargs,
        args=written.args,
        info=info,
        pytracking_defaults=written.pytracking_defaults,
        overwrite=overwrite,
    )
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 on success, 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m ltr.admin.convert_checkpoint", description=__doc__.split("\n")[0])
    parser.add_argument("source", help="network file: .pth or .pth.tar")
    parser.add_argument("target", nargs="?", help="default: the source's name with .safetensors")
    parser.add_argument("--architecture", help="constructor function, for a file that holds weights alone")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing target")
    options = parser.parse_args(arguments)
    try:
        written = convert_checkpoint(options.source, options.target, options.architecture, options.overwrite)
    except (CheckpointError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    numbers = sum(tensor.numel() for tensor in written.state_dict.values())
    print(f"{written.path}: {len(written.state_dict)} tensors, {numbers:,} numbers")
    print(f"architecture: {written.architecture or 'none (load it with constructor_fun_name=)'}")
    print(f"arguments: {json.dumps(written.kwargs)}")
    print(f"source sha256: {written.info['source_sha256']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
