"""Sequences and data sets. Frame lists and annotations are read when a sequence is used, not when it is listed."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from collections.abc import Sequence as SequenceOf
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, SupportsIndex, TypeVar, overload

import numpy as np

from ltr.common.environment import env_settings
from ltr.common.errors import InputError, unknown_name
from ltr.common.types import Array
from ltr.dataset.regions import Regions
from pytracking.evaluation.environment import EnvSettings
from pytracking.evaluation.environment import env_settings as pytracking_settings

T = TypeVar("T")


class PartialCopyWarning(UserWarning):
    """A data set or a sequence is not complete; what is there can be used, but is not the benchmark."""


class Sequence:
    """One target in one video.

    Frames, boxes, flags and polygons are the data themselves or functions without arguments that read them. For use
    by worker processes such functions must be picklable (a `functools.partial` of a module-level function is).
    """

    def __init__(
        self,
        name: str,
        frames: SequenceOf[str | Path] | Callable[[], SequenceOf[str | Path]],
        dataset: str,
        ground_truth_rect: Array | Callable[[], Array],  # (N, 4) boxes, NaN rows where the target is absent
        *,
        object_class: str | None = None,
        target_visible: Array | Callable[[], Array] | None = None,  # (N,) bool
        first_box_only: bool = False,  # the annotation has one row, for the first frame: scored by a server
        native_name: str | None = None,  # name in the data set's own files, where `name` is another
        folders: SequenceOf[Path] = (),  # where the images may be; the sequence is missing where none exists
        expected_frames: int | None = None,  # of the complete sequence, where a part of it can be used
        annotated: Array | Callable[[], Array] | None = None,  # (N,) bool, where not every frame is annotated
        ground_truth_polygons: Array | Callable[[], Array] | None = None,  # (N, 8) corners
        ground_truth_regions: Callable[[], Regions] | None = None,  # in the form of VOT's files, instead of polygons
        attributes: SequenceOf[str] = (),  # short names
        pixel_origin: int = 0,  # number of the first pixel in the data set's own files
        frames_before: int = 0,  # images of the video before the first frame, which other toolkits may give rows for
    ) -> None:
        self.name = name
        self.dataset = dataset
        self.object_class = object_class
        self.first_box_only = first_box_only
        self.native_name = native_name or name
        self.folders = tuple(folders)
        self.expected_frames = expected_frames
        self.attributes = tuple(attributes)
        self.pixel_origin = pixel_origin
        self.frames_before = frames_before
        self._frames = frames
        self._ground_truth_rect = ground_truth_rect
        self._target_visible = target_visible
        self._annotated = annotated
        self._ground_truth_polygons = ground_truth_polygons
        self._ground_truth_regions = ground_truth_regions

    def __repr__(self) -> str:
        return f"Sequence({self.name!r}, dataset={self.dataset!r})"

    def __str__(self) -> str:
        return f"sequence '{self.name}' of {self.dataset}"

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def frames(self) -> list[Path]:
        """Image files in order."""
        return [frame if isinstance(frame, Path) else Path(frame) for frame in _resolve(self._frames)]

    @cached_property
    def ground_truth_rect(self) -> Array:
        """Boxes (N, 4), float64, 0-based; NaN rows where the target is absent or the frame is not annotated."""
        boxes = np.asarray(_resolve(self._ground_truth_rect), dtype=np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise InputError(f"{self}: expected ground truth of shape (N, 4), found {boxes.shape}")
        return boxes

    @cached_property
    def ground_truth_polygons(self) -> Array | None:
        """Corners `x1 y1 ... x4 y4`, float64 (N, 8), of data sets that are annotated with polygons; else None."""
        if self.ground_truth_regions is not None:
            return self.ground_truth_regions.polygons
        if self._ground_truth_polygons is None:
            return None
        return self._as_rows("polygons", np.asarray(_resolve(self._ground_truth_polygons), dtype=np.float64))

    @cached_property
    def ground_truth_regions(self) -> Regions | None:
        """The rows of an annotation in VOT's form, each a box, a polygon or none; None for other annotations."""
        if self._ground_truth_regions is None:
            return None
        regions = self._ground_truth_regions()
        self._as_rows("ground-truth rows", regions.kinds)
        return regions

    @cached_property
    def target_visible(self) -> Array:
        """Whether the target is in the frame, bool (N,); where the data set does not say, the box is no NaN."""
        if self._target_visible is None:
            return np.asarray(np.isfinite(self.ground_truth_rect).all(axis=1))
        return self._as_rows("visibility flags", np.asarray(_resolve(self._target_visible), dtype=bool))

    @cached_property
    def annotated(self) -> Array:
        """Whether the data set says anything about the frame, bool (N,); elsewhere box and visibility are unknown."""
        if self._annotated is None:
            return np.ones(len(self.ground_truth_rect), dtype=bool)
        return self._as_rows("annotation flags", np.asarray(_resolve(self._annotated), dtype=bool))

    def _as_rows(self, what: str, values: Array) -> Array:
        wanted = 1 if self.first_box_only else len(self.frames)  # a box may need an image, a frame's number does not
        if len(values) != wanted:
            raise InputError(
                f"{self}: expected {wanted} {what}, one for each annotated frame, found {len(values)}; "
                "copy or extract the annotation again"
            )
        return values

    def is_present(self) -> bool:
        """Whether a folder for its images is there."""
        return not self.folders or any(folder.is_dir() for folder in self.folders)

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

    def frame_info(self, frame_num: int) -> dict[str, Any]:
        """What a tracker is told of a frame, from 0, beside its image: of the first `init_info`, of others nothing."""
        return self.init_info() if frame_num == 0 else {}

    def check(self) -> None:
        """Raise InputError where the sequence cannot be run: missing images, too few rows, unusable first box.

        Warns with PartialCopyWarning where it is only a part of the benchmark's sequence.
        """
        self._check_frames()
        rows, wanted = len(self.ground_truth_rect), 1 if self.first_box_only else len(self.frames)
        if rows != wanted:
            raise InputError(
                f"{self}: expected {wanted} ground-truth rows for {len(self.frames)} frames, found {rows}; "
                "the annotation or the image folder is incomplete: copy or extract it again"
            )
        self.init_bbox()
        if self.is_partial:
            warnings.warn(f"{self} has {self.partial_text}", PartialCopyWarning, stacklevel=2)

    @property
    def is_partial(self) -> bool:
        """Whether frames of the benchmark's sequence are not there."""
        return self.expected_frames is not None and len(self) != self.expected_frames

    @property
    def partial_text(self) -> str:
        """How much is there of a sequence that is not complete."""
        return f"{len(self)} of {self.expected_frames} frames; its scores are not those of the benchmark"

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
    """List of sequences, indexed by number, name, slice, or a list of numbers and names; `+` joins lists.

    The name in the data set's own files serves too: `wakeboard7` for `uav_wakeboard7`. A text is a name first, and a
    number, from 0, where no sequence is called so. Raises InputError for what is not there or is the name of several.
    """

    @overload
    def __getitem__(self, item: SupportsIndex | str) -> Sequence: ...
    @overload
    def __getitem__(self, item: slice | list[int] | list[str] | list[int | str]) -> Self: ...

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, str):
            return self._called(item)
        if isinstance(item, slice):
            return type(self)(super().__getitem__(item))
        if isinstance(item, (list, tuple)):
            return type(self)(self[i] for i in item)
        try:
            return super().__getitem__(item)
        except IndexError:
            raise InputError(f"expected a sequence number below {len(self)}, found {item}") from None

    def _called(self, text: str) -> Sequence:
        for attribute in ("name", "native_name"):
            found = {id(sequence): sequence for sequence in self if getattr(sequence, attribute) == text}
            if len(found) > 1:
                which = ", ".join(f"'{s.name}' of {s.dataset}" for s in found.values())
                raise InputError(f"several sequences are called '{text}': {which}; give another name, or one data set")
            if found:
                return next(iter(found.values()))
        if not (text.isascii() and text.isdecimal()):
            raise unknown_name("sequence", text, self.names)
        alike = [name for name in self.names if name.isdecimal() and int(name) == int(text)]
        if int(text) >= len(self):
            meant = f"; did you mean '{alike[0]}'?" if alike else ""
            raise InputError(
                f"no sequence is called '{text}'{meant}\n  as a number: expected one below {len(self)}, found {text}"
            )
        numbered = self[int(text)]
        if alike and alike != [numbered.name]:
            raise InputError(
                f"cannot tell whether '{text}' is the name '{alike[0]}' or the number, from 0, of '{numbered.name}'; "
                "give the whole name"
            )
        return numbered

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
    """A data set in a folder of this machine; subclasses say how that folder is laid out.

    One that was written for pytracking names no setting: it finds its folder in `env_settings`.
    """

    name: ClassVar[str]  # as in get_dataset(name)
    setting: ClassVar[str | tuple[str, ...]] = ()  # key of configs/local.toml; of several, the first that is set
    layout: ClassVar[str] = ""  # what the folder holds, for messages
    pixel_origin: ClassVar[int] = 0  # number of the first pixel in the annotation files
    num_sequences: ClassVar[int | None] = None  # of the complete data set
    sequence_folders: ClassVar[tuple[str, ...]] = ("*",)  # patterns of the folders that belong to sequences
    uses_all_images: ClassVar[bool] = False  # the annotation has a row for every image of a folder

    def __init__(self, root: Path | None = None) -> None:
        """`root` replaces the folder of the settings. Raises InputError where neither names a folder."""
        if root is not None and not root.is_dir():
            raise InputError(f"{root} is no folder\n  expected there for data set {self.name}: {self.layout}")
        if root is not None:
            self.root = root
        elif self.setting:
            self.root = env_settings().data_path(self.setting, self.layout)

    def __len__(self) -> int:
        return len(self.get_sequence_list())

    @property
    def env_settings(self) -> EnvSettings:
        """Paths of this machine, as pytracking's data sets take them."""
        return pytracking_settings()

    @abstractmethod
    def get_sequence_list(self) -> SequenceList:
        """All sequences; nothing of them is read yet."""

    @property
    def attribute_names(self) -> dict[str, str]:
        """Long names of the sequences' attributes by their short ones; empty where the data set has none."""
        return {}

    def known_folders(self) -> set[Path]:
        """Folders that belong to the data set, those of other parts of it included."""
        return {folder for sequence in self.get_sequence_list() for folder in sequence.folders}

    def extra_folders(self) -> list[Path]:
        """Folders where sequences are kept that belong to none."""
        known = self.known_folders()
        known |= {parent for folder in known for parent in folder.parents}
        found = {path for pattern in self.sequence_folders for path in self.root.glob(pattern) if path.is_dir()}
        return sorted(path for path in found - known if not path.name.startswith((".", "__")))
