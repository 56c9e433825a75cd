"""GOT-10k's training set (Huang, Zhao, Huang, PAMI 2019), 9335 sequences, and its parts.

`got10k_train` and `got10k_val` are the two parts of pytracking's split; `got10k_vottrain` and `got10k_votval` are
these without the sequences that are too similar to VOT's; `got10k_train_full` is all of it. The official validation
set, 180 sequences of other classes, is `got10k_official_val`.

pytracking's own files of the VOT parts leave out sequence n + 1 for every sequence n that is named: 890 of the 1000
similar ones stay in. The named ones are left out here, which gives 7081 and 1254 sequences instead of 7086 and 1249.
"""

from pathlib import Path

from ltr.common.errors import InputError, unknown_name
from ltr.dataset.annotations import check_rows, read_boxes, read_flags, read_lines, read_table
from ltr.dataset.base import FolderTrackDataset, Track, valid_boxes
from ltr.dataset.roots import data_root, load_table, present_folders

LAYOUT = "train/GOT-10k_Train_000001/ with 00000001.jpg, groundtruth.txt, absence.label, cover.label, meta_info.ini"
SPLITS = ("train", "val", "vottrain", "votval", "train_full", "official_val")


class Got10kTracks(FolderTrackDataset):
    """One part; boxes of the files are used as they are.

    The target counts as visible where it is not absent and its cover is above 0.
    """

    def __init__(self, split: str = "train", root: Path | None = None) -> None:
        """Raises InputError for an unknown split, and where no sequence is there."""
        self.name = f"got10k_{split}"
        folder = data_root("got10k_path", LAYOUT, root)
        part = "val" if split == "official_val" else "train"
        inner = folder / part if (folder / part).is_dir() else folder
        names = [f"GOT-10k_{part.capitalize()}_{number:06d}" for number in split_numbers(split)]
        self.folders = present_folders(self.name, inner, names, LAYOUT)

    def track(self, index: int) -> Track:
        folder = self.folders[index]
        boxes = read_boxes(folder / "groundtruth.txt")
        absent = read_flags(folder / "absence.label")
        cover = read_table(folder / "cover.label", columns=1)[:, 0]
        check_rows(folder / "absence.label", len(absent), len(boxes))
        check_rows(folder / "cover.label", len(cover), len(boxes))
        return Track(boxes=boxes, visible=valid_boxes(boxes) & ~absent & (cover > 0))

    def frame_path(self, index: int, frame: int) -> Path:
        return self.folders[index] / f"{frame + 1:08d}.jpg"


def split_numbers(split: str) -> list[int]:
    """Numbers of the sequences of a part, ascending. Raises InputError for an unknown one."""
    if split not in SPLITS:
        raise unknown_name("split of GOT-10k", split, SPLITS)
    if split == "official_val":
        return list(range(1, 181))
    table = load_table("got10k")
    numbers = set(range(1, table["num_sequences"] + 1))
    if split.endswith("val"):
        numbers &= set(table["val"])
    elif split != "train_full":
        numbers -= set(table["val"])
    if split.startswith("vot"):
        numbers -= set(table["vot"])
    return sorted(numbers)


class ListedGot10kTracks(Got10kTracks):
    """Sequences of GOT-10k's training set that a text file names, one a line: `GOT-10k_Train_000001` or `1`."""

    def __init__(self, list_file: Path, root: Path | None = None) -> None:
        """Raises InputError for a file that cannot be read or names no sequence."""
        super().__init__("train_full", root)
        self.name = list_file.stem
        wanted = {_number(line, list_file) for line in read_lines(list_file) if line}
        self.folders = [folder for folder in self.folders if int(folder.name[-6:]) in wanted]
        if not self.folders:
            raise InputError(f"{list_file} names no sequence of GOT-10k's training set that is there")


def _number(line: str, path: Path) -> int:
    digits = line.removeprefix("GOT-10k_Train_")
    if not (digits.isascii() and digits.isdigit()):
        raise InputError(f"{path}: expected names such as GOT-10k_Train_000001, or numbers, found '{line}'")
    return int(digits)
