"""Say which sequences of a data set are missing, extra or inconsistent, and which layout is expected."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ltr.common.errors import InputError, exit_status

if TYPE_CHECKING:
    from pytracking.evaluation.data import BaseDataset, Sequence

DECODERS = 4  # threads; OpenCV decodes outside of Python's lock
SHOWN = 20  # names or messages of one kind, unless all are asked for


@dataclass
class DatasetReport:
    """What a look at all files of a data set has found."""

    name: str
    root: Path
    layout: str
    total: int = 0  # sequences of the complete data set
    complete: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # no images
    inconsistent: dict[str, str] = field(default_factory=dict)  # sequence: what is wrong
    extra: list[str] = field(default_factory=list)  # folders that belong to no sequence
    changing: list[str] = field(default_factory=list)  # whose images are not all of one size

    @property
    def is_complete(self) -> bool:
        """Whether every sequence is there and consistent; extra folders do no harm."""
        return len(self.complete) == self.total

    def text(self, limit: int | None = SHOWN) -> str:
        """The report for a person; at most `limit` names and messages of each kind."""
        absent = max(self.total - len(self.complete) - len(self.inconsistent), 0)
        lines = [
            f"{self.name} in {self.root}: {self.total} sequences, {len(self.complete)} complete, {absent} missing, "
            f"{len(self.inconsistent)} inconsistent, {len(self.extra)} extra folders",
            f"  expected there: {self.layout}",
        ]
        lines += _paragraph("missing", self.missing, limit)
        if absent > len(self.missing):
            lines.append(f"  expected {self.total} sequences, found {self.total - absent}")
        messages = list(self.inconsistent.values())
        lines += ["  inconsistent:"] * bool(messages) + [f"    {message}" for message in messages[:limit]]
        if limit is not None and len(messages) > limit:
            lines.append(f"    ... ({len(messages)} in all; --all shows them)")
        lines += _paragraph("extra, part of no sequence", self.extra, limit)
        lines += _paragraph("images of several sizes, which trackers follow", self.changing, limit)
        if self.complete and not self.is_complete:
            lines += _paragraph("complete (to run these alone: --sequence ...)", self.complete, limit)
        return "\n".join(lines)


def check_dataset(name: str, images: bool = False, progress: bool = False) -> DatasetReport:
    """Look at every sequence of a data set, named as in `get_dataset`.

    Always: is it there, do rows and images agree, can the annotation be read, can a tracker start with the first box.
    With `images` every image is decoded; their sizes may differ within a sequence, as some of GOT-10k's do.
    Raises InputError for an unknown name or an unset path.
    """
    from pytracking.evaluation.datasets import load_dataset

    dataset = load_dataset(name)
    sequences = dataset.get_sequence_list()
    report = DatasetReport(dataset.name, dataset.root, dataset.layout, dataset.num_sequences or len(sequences))
    for sequence in _shown(sequences, progress):
        if not sequence.is_present():
            report.missing.append(sequence.native_name)
            continue
        message, is_changing = _look(dataset, sequence, images)
        if message:
            report.inconsistent[sequence.name] = message
        else:
            report.complete.append(sequence.native_name)
        if is_changing:
            report.changing.append(sequence.native_name)
    report.extra = [str(path.relative_to(dataset.root)) for path in dataset.extra_folders()]
    return report


def _look(dataset: BaseDataset, sequence: Sequence, images: bool) -> tuple[str, bool]:
    """What is wrong with a sequence, empty where nothing is; and whether its images change their size."""
    import warnings

    from pytracking.evaluation.data import PartialCopyWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PartialCopyWarning)
            sequence.check()
        _check_annotation(sequence)
        _check_unused_images(dataset, sequence)
        is_changing = _check_images(sequence, images)
    except InputError as error:
        text = str(error)
        return text if text.startswith(str(sequence)) else f"{sequence}: {text}", False
    return f"{sequence} has {sequence.partial_text}" if sequence.is_partial else "", is_changing


def _check_annotation(sequence: Sequence) -> None:
    for name in ("target_visible", "annotated", "ground_truth_polygons"):
        getattr(sequence, name)  # reading it checks it
    sizes = sequence.ground_truth_rect[:, 2:]
    wrong = np.flatnonzero((sizes < 0).any(axis=1))
    if len(wrong):
        raise InputError(
            f"{len(wrong)} boxes have a negative width or height, the first is that of frame {wrong[0] + 1} "
            f"({sizes[wrong[0], 0]:g} x {sizes[wrong[0], 1]:g})"
        )


def _check_unused_images(dataset: BaseDataset, sequence: Sequence) -> None:
    from ltr.dataset.frame_files import images_in

    if not dataset.uses_all_images:
        return
    found = len(images_in(sequence.frames[0].parent))
    if found > len(sequence):
        raise InputError(f"expected as many ground-truth rows as images, found {len(sequence)} rows, {found} images")


def _check_images(sequence: Sequence, every: bool) -> bool:
    """Raise InputError for damaged images and a first box that no tracker can start with; whether sizes change."""
    from ltr.common.image import read_image
    from pytracking.utils.initial_box import initial_box

    height, width, _ = read_image(sequence.frames[0]).shape
    initial_box(sequence.init_info(), (height, width))
    if not every:
        return False
    with ThreadPoolExecutor(DECODERS) as decoders:
        return len(set(decoders.map(lambda path: read_image(path).shape, sequence.frames))) > 1


def _paragraph(title: str, names: SequenceOf[str], limit: int | None) -> list[str]:
    if not names:
        return []
    text = ", ".join(names[:limit])
    if limit is not None and len(names) > limit:
        text += f", ... ({len(names)} in all; --all shows them)"
    wrapped = textwrap.wrap(text, 110, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    return [f"  {title}:", *wrapped]


def _shown(sequences: Iterable[Sequence], progress: bool) -> Iterable[Sequence]:
    if not progress:
        return sequences
    from rich.console import Console
    from rich.progress import track

    return track(list(sequences), "checking", console=Console(stderr=True), transient=True)


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; returns the exit status: 0 complete, 1 something is missing or inconsistent, 2 wrong input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="+", help="data set as in run_tracker.py; otb:/path looks into that folder")
    parser.add_argument("--images", action="store_true", help="decode every image (slow)")
    parser.add_argument("--all", action="store_true", help="print all names and messages")
    args = parser.parse_args(arguments)

    def run() -> int:
        reports = [check_dataset(name, args.images, progress=sys.stderr.isatty()) for name in args.name]
        print("\n\n".join(report.text(None if args.all else SHOWN) for report in reports))
        return 0 if all(report.is_complete for report in reports) else 1

    return exit_status(run)


if __name__ == "__main__":
    sys.exit(main())
