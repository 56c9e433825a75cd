"""The demo data set: short sequences with exact ground truth, rendered from photographs on first use."""

import sys
from functools import partial
from pathlib import Path

import numpy as np

from ltr.common.environment import config_file, env_settings
from ltr.common.errors import InputError
from ltr.dataset.annotations import read_boxes
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList


class DemoDataset(BaseDataset):
    """Rows of NaN mark frames without target; such frames are left out of the scores."""

    name = "demo"
    setting = "demo_path"
    layout = "<sequence>/img/00001.jpg and <sequence>/groundtruth.txt; made by the program itself"

    def __init__(self, root: Path | None = None) -> None:
        """`root` replaces the folder of the settings, which need not exist."""
        self.root = root if root is not None else env_settings().demo_path

    def get_sequence_list(self) -> SequenceList:
        """All sequences; each is rendered when it is used and not there yet."""
        from pytracking.evaluation.demo_files import demo_sequences

        return SequenceList(
            Sequence(
                name,
                partial(_frames, self.root, name, count),
                self.name,
                partial(_boxes, self.root, name, count),
                attributes=attributes,
            )
            for name, count, attributes in demo_sequences()
        )

    @property
    def attribute_names(self) -> dict[str, str]:
        """What the sequences are hard by; there are no short names."""
        from pytracking.evaluation.demo_files import demo_sequences

        return {name: name for name in dict.fromkeys(name for *_, names in demo_sequences() for name in names)}


def _frames(root: Path, name: str, num_frames: int) -> list[Path]:
    _ensure_rendered(root, name, num_frames)
    return [root / name / "img" / f"{number:05d}.jpg" for number in range(1, num_frames + 1)]


def _boxes(root: Path, name: str, num_frames: int) -> np.ndarray:
    _ensure_rendered(root, name, num_frames)
    return read_boxes(root / name / "groundtruth.txt", absent=True)


def _ensure_rendered(root: Path, name: str, num_frames: int) -> None:
    from pytracking.evaluation.demo_files import is_rendered, render_demo

    if is_rendered(root, [name]):
        return
    print(f"rendering demo sequence {name}, {num_frames} frames, to {root} (once) ...", file=sys.stderr, flush=True)
    try:
        render_demo(root, names=[name])
    except OSError as error:
        raise InputError(
            f"cannot render the demo data set to {root}: {error}\n"
            f"  choose another folder: demo_path in {config_file()}, or PYTRACKING_DEMO_PATH"
        ) from error
