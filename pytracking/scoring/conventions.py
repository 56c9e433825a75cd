"""How results are scored, by convention and data set: the rules as data.

Two conventions:
- `official`: each benchmark's own toolkit, as the published numbers were computed;
- `pytracking`: the analysis of visionml/pytracking, one set of rules with exceptions for UAV123 and LaSOT.
`docs/evaluation.md` states both in words, and by how much they differ.
"""

from dataclasses import dataclass
from typing import Literal

from ltr.common.errors import unknown_name

InvalidRule = Literal["hit", "miss", "dropped"]
Convention = Literal["official", "pytracking"]
CONVENTIONS: tuple[Convention, ...] = ("official", "pytracking")


@dataclass(frozen=True)
class Rules:
    """Rules of one data set.

    A frame is invalid where its ground truth has no area or is NaN, and never counts as overlapping. Errors of
    invalid frames are hits at every limit, misses, or the frame is dropped: it counts nowhere, the denominator
    included.
    """

    invalid: InvalidRule = "miss"  # center error of invalid frames
    invalid_norm: InvalidRule = "miss"  # normalized error of invalid frames
    absent: Literal["ignored", "invalid", "miss"] = "ignored"  # frames flagged as without target; "miss": both errors
    first_frame: Literal["truth", "dropped"] = "truth"  # "truth": counts as its ground truth
    short_result: Literal["repeat", "zeros", "error"] = "repeat"  # missing rows: the last box, boxes of zeros, refused
    empty_box: Literal["kept", "previous"] = "kept"  # a predicted box without width or height: or the one before it
    min_corner: float | None = None  # ground truth with x or y <= this is invalid, in the pixel numbers of its file
    added_pixel: float = (
        0.0  # boxes are [x, x + w - this] in the pixel numbers of their file; extents: high - low + this
    )
    scaled_centers: bool = False  # normalized error: centers are divided by the true size, then subtracted
    clip: bool = False  # boxes are limited to the image, where its size is known
    frames_weigh: bool = False  # the data-set score is the mean over frames; else each sequence counts the same


_OTB = Rules(invalid="hit", invalid_norm="hit")
_LASOT = Rules(absent="invalid")
_ABSENT_DROPPED = Rules(invalid="dropped", invalid_norm="dropped", absent="invalid")

# By the beginning of the data set's name; a longer one goes first.
_OFFICIAL: dict[str, Rules] = {
    "otb": _OTB,  # the published code gives invalid frames the error -1, below every limit
    "uav": _OTB,  # as are these, which are scored with the OTB code
    "tpl": _OTB,
    "nfs": _OTB,
    "tlp": _OTB,
    "tinytlp": _OTB,
    "lasot": _LASOT,
    "got10k": Rules(
        invalid="dropped", invalid_norm="dropped", absent="invalid", first_frame="dropped", short_result="error",
        clip=True, frames_weigh=True,
    ),
    "oxuva": _ABSENT_DROPPED,  # annotated once a second: other frames say nothing
    "demo": _ABSENT_DROPPED,  # its ground truth says exactly when the target is absent
    "folder": _ABSENT_DROPPED,
}  # fmt: skip
_OFFICIAL_DEFAULT = Rules()


def rules_of(convention: str, dataset: str) -> Rules:
    """Rules of a data set, by its name. Raises InputError for an unknown convention."""
    if convention == "official":
        return _by_prefix(_OFFICIAL, dataset, _OFFICIAL_DEFAULT)
    if convention == "pytracking":
        return _pytracking_rules(dataset)
    raise unknown_name("convention", convention, CONVENTIONS)


def _by_prefix(table: dict[str, Rules], dataset: str, default: Rules) -> Rules:
    found = [name for name in table if dataset.startswith(name)]
    return table[max(found, key=len)] if found else default


def _pytracking_rules(dataset: str) -> Rules:
    is_extension = dataset.startswith("lasot_extension")
    is_lasot = dataset.startswith("lasot") and not is_extension
    return Rules(
        invalid="hit" if dataset.startswith("uav") else "miss",
        invalid_norm="hit",
        absent="miss" if is_lasot else "invalid" if is_extension else "ignored",
        short_result="error" if is_lasot else "zeros",
        empty_box="previous",
        min_corner=0.0,
        added_pixel=1.0,
        scaled_centers=True,
    )
