"""Sequences and data sets. Frame lists and annotations are read when a sequence is used, not when it is listed."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from collections.abc import Sequence as SequenceOf
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, SupportsIndex, TypeVar, overload

import numpy as np

from pytracking.evaluation.environment import env_settings
from pytracking.utils.errors import InputError, unknown_name

T = TypeVar("T")


class Sequence:
    """One target in one video.

    `frames` and `ground_truth_rect` are the data themselves or functions without arguments that read them. For use
    by worker processes such functions must be picklable (a `functools.partial` of a module-level function is).
    """

    def __init__(
        self,
        name: str,
        frames: SequenceOf[str | Path] | Callable[[], SequenceOf[str | Path]],
        dataset: str,
        ground_truth_rect: np.ndarray | Callable[[], np.ndarray],  # (N, 4) boxes, NaN rows where the target is absent
        *,
        object_class: str | None = None,
        target_visible: np.ndarray | Callable[[], np.ndarray] | None = None,  # (N,) bool
        first_box_only: bool = False,  # the annotation has one row, for the first frame: scored by a server
    ) -> None:
        self.name = name
        self.dataset = dataset
        self.object_class = object_class
        self.first_box_only = first_box_only
        self._frames = frames
        self._ground_truth_rect = ground_truth_rect
        self._target_visible = target_visible

    def __repr__(self) -> str:
        return f"Sequence({self.name!r}, dataset={self.dataset!r})"

    def __str__(self) -> str:
        return f"sequence '{self.name}' of {self.dataset}"

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def frames(self) -> list[Path]:
        """Image files in order."""
        return [Path(frame) for frame in _resolve(self._frames)]

    @cached_property
    def ground_truth_rect(self) -> np.ndarray:
        """Boxes (N, 4), float64, 0-based; NaN rows where the target is absent."""
        boxes = np.asarray(_resolve(self._ground_truth_rect), dtype=np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise InputError(f"{self}: expected ground truth of shape (N, 4), found {boxes.shape}")
        return boxes

    @cached_property
    def target_visible(self) -> np.ndarray:
        """Whether the target is in the frame, bool (N,); where the data set does not say, the box is no NaN."""
        if self._target_visible is None:
            visible: np.ndarray = np.isfinite(self.ground_truth_rect).all(axis=1)
            return visible
        return np.asarray(_resolve(self._target_visible), dtype=bool)

    def init_bbox(self) -> list[float]:
        """Box of the first frame. Raises InputError where it cannot start a tracker."""
        box = self.ground_truth_rect[0]
        if not (np.isfinite(box).all() and (box[2:] > 0).all()):
            raise InputError(
                f"{self}: the first ground-truth box must be four numbers with positive width and height, "
                f"found {box.tolist()}; a tracker cannot start there: correct the annotation"
            )
        return [float(value) for value in box]

    def init_info(self) -> dict[str, Any]:
        """What `BaseTracker.initialize` is given with the first frame."""
        return {"init_bbox": self.init_bbox()}

    def check(self) -> None:
        """Raise InputError where the sequence cannot be run: missing images, too few rows, unusable first box."""
        self._check_frames()
        rows, wanted = len(self.ground_truth_rect), 1 if self.first_box_only else len(self.frames)
        if rows != wanted:
            raise InputError(
                f"{self}: expected {wanted} ground-truth rows for {len(self.frames)} frames, found {rows}; "
                "the annotation or the image folder is incomplete: copy or extract it again"
            )
        self.init_bbox()

    def _check_frames(self) -> None:
        # One listing per folder is much cheaper than one look-up per image on a network drive.
        folders = {frame.parent for frame in self.frames}
        present = {folder: _file_names(folder) for folder in folders}
        missing = [frame for frame in self.frames if frame.name not in present[frame.parent]]
        if missing:
            where = "" if missing[0].parent.is_dir() else " (the folder is not there)"
            raise InputError(
                f"{self}: {len(missing)} of {len(self.frames)} images are missing, the first is {missing[0]}{where}"
            )


def _resolve(value: T | Callable[[], T]) -> T:
    return value() if callable(value) else value


def _file_names(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in folder.iterdir()}
    except OSError:
        return set()


class SequenceList(list[Sequence]):
    """List of sequences, indexed by number, name, slice, or a list of numbers and names; `+` joins lists."""

    @overload
    def __getitem__(self, item: SupportsIndex | str) -> Sequence: ...
    @overload
    def __getitem__(self, item: slice | list[int] | list[str] | list[int | str]) -> Self: ...

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, str):
            for sequence in self:
                if sequence.name == item:
                    return sequence
            raise unknown_name("sequence", item, self.names)
        if isinstance(item, slice):
            return type(self)(super().__getitem__(item))
        if isinstance(item, (list, tuple)):
            return type(self)(self[i] for i in item)
        try:
            return super().__getitem__(item)
        except IndexError:
            raise InputError(f"expected a sequence number below {len(self)}, found {item}") from None

    def __add__(self, other: Iterable[Sequence]) -> Self:  # type: ignore[override]
        return type(self)([*self, *other])

    def copy(self) -> Self:
        """New list of the same sequences."""
        return type(self)(self)

    @property
    def names(self) -> list[str]:
        """Names of the sequences, in order."""
        return [sequence.name for sequence in self]


class BaseDataset(ABC):
    """A data set in a folder of this machine; subclasses say how that folder is laid out."""

    name: ClassVar[str]  # as in get_dataset(name)
    setting: ClassVar[str]  # key of configs/local.toml
    layout: ClassVar[str]  # what the folder holds, for error messages

    def __init__(self, root: Path | None = None) -> None:
        """`root` replaces the folder of the settings. Raises InputError where neither names a folder."""
        self.root = root if root is not None else env_settings().data_path(self.setting, self.layout)

    @abstractmethod
    def get_sequence_list(self) -> SequenceList:
        """All sequences; nothing of them is read yet."""
