"""Command: a trained network becomes a small file without its backbone, whose weights come from an installed package.

python -m ltr.admin.export_heads DiMPnet_ep0020.safetensors ltr/weights/dimp_lite0.safetensors

`load_network` takes the backbone from the package again and refuses the file where those weights are others.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ltr.admin.checkpoint import CheckpointError, read_checkpoint, save_checkpoint
from ltr.admin.loading import BACKBONE_PREFIX, backbone_digest, build_network
from ltr.common.files import check_output


def export_heads(source: str | Path, target: str | Path, overwrite: bool = False) -> Path:
    """Write everything of `source` but the backbone, which must be the one that the architecture starts with.

    Raises:
        CheckpointError: `source` cannot be read, or its backbone is not the package's.
        FileExistsError: `target` exists and `overwrite` is off.
        InputError: `target` is `source`.
    """
    check_output(Path(target), [Path(source)])
    content = read_checkpoint(source)
    if content.architecture is None:
        raise CheckpointError(f"{source} holds weights without an architecture")
    arguments = {key: value for key, value in content.kwargs.items() if key != "backbone_pretrained"}
    expected = backbone_digest(build_network(content.architecture, *content.args, **arguments).state_dict())
    if backbone_digest(content.state_dict) != expected:
        raise CheckpointError(f"{source}: its backbone was trained, so it cannot be left out")
    heads = {key: value for key, value in content.state_dict.items() if not key.startswith(BACKBONE_PREFIX)}
    plain = {key: value for key, value in content.info.items() if key in ("epoch", "seed", "settings")}
    info = {**plain, "backbone_sha256": expected}
    return save_checkpoint(
        target, heads, content.architecture, arguments, args=content.args, info=info, overwrite=overwrite
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 on success, 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m ltr.admin.export_heads", description=__doc__.split("\n")[0])
    parser.add_argument("source", help="network file of a training")
    parser.add_argument("target", help="file to write, .safetensors")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing target")
    options = parser.parse_args(arguments)
    try:
        written = export_heads(options.source, options.target, options.overwrite)
    except (CheckpointError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{written}: {written.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
