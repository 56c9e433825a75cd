"""How MDNet draws boxes around a target; parameter files name it, so nothing heavy is imported."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

Range = tuple[float, float]


@dataclass(kw_only=True)
class Sampling:
    """How boxes are drawn around the target, and which are kept."""

    kind: Literal["gaussian", "uniform"]
    translation: float  # in the mean of width and height
    scale: float  # base of the change of size
    aspect: float | None = None  # base of the change of the aspect ratio, uniform boxes only
    overlap: Range = (0.0, 1.0)  # IoU with the target
    area: Range | None = None  # area relative to the target's
    inside: bool = False  # the whole box lies in the image instead of its center

    def describe(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def gaussian(translation: float, scale: float, overlap: Range = (0.0, 1.0), inside: bool = False) -> Sampling:
    return Sampling(kind="gaussian", translation=translation, scale=scale, overlap=overlap, inside=inside)


def uniform(
    translation: float, scale: float, aspect: float | None, overlap: Range, area: Range | None = None
) -> Sampling:
    return Sampling(kind="uniform", translation=translation, scale=scale, aspect=aspect, overlap=overlap, area=area)
