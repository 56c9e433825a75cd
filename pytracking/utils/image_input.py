"""The gate for images that a program hands to a tracker: RGB uint8 (H, W, 3), or what certainly means such an image."""

import warnings
from typing import Any

import numpy as np

from ltr.common.errors import InputError
from ltr.common.image import ImageRangeWarning, to_bytes
from ltr.common.types import Array, Image

CHANNELS = (1, 3, 4)  # grey, RGB, RGBA
_DEEP_MODES = ("I", "F")  # of PIL: more than 8 bits, which its conversion to RGB would cut

Range = tuple[float, float]  # values that become 0 and 255


class ImageInput:
    """Images of one sequence. The first one tells the range of values, for a later one may be dark."""

    def __init__(self) -> None:
        self._range: Range | None = None

    def first(self, image: Any) -> Image:
        """First image of a sequence, otherwise as `next`."""
        if not _is_rgb(image):
            self._range = None
        return self.next(image)

    def next(self, image: Any) -> Image:
        """RGB uint8 (H, W, 3) of an array, a PIL image or a tensor; what is that already is returned as it is.

        Grey images get three equal channels, alpha is left out, channels may come first, floating-point numbers are 0
        to 1 or 0 to 255, booleans 0 and 1. Integers above 255 are scaled by the range of the first image, with an
        ImageRangeWarning.
        Raises InputError for anything else, also where two meanings are possible.
        """
        if _is_rgb(image):
            return np.ascontiguousarray(image) if min(image.strides) < 0 else image
        array = _channels_last(_as_array(image))
        if array.shape[2] == 1:
            array = np.repeat(array, 3, axis=2)
        return np.ascontiguousarray(self._bytes(array[..., :3]))

    def _bytes(self, array: Array) -> Image:
        if array.dtype == np.uint8:
            return array
        if array.dtype == bool:
            return array.astype(np.uint8) * 255
        low, high = float(array.min()), float(array.max())
        if not (np.isfinite(low) and np.isfinite(high) and low >= 0):
            raise InputError(f"expected an image of values from 0 on, found {array.dtype} from {low:g} to {high:g}")
        if self._range is None:
            if high == 0:  # black in every range
                return array.astype(np.uint8)
            self._range = _range_of(array.dtype, low, high)
        if self._range in ((0, 1), (0, 255)) and high > 1.002 * self._range[1]:  # as far as rounding goes
            raise InputError(
                f"expected an image of values from 0 to {self._range[1]:g}, as in the first one, found {high:g}; "
                "give all images in the same range"
            )
        return to_bytes(array, *self._range)


def _is_rgb(image: Any) -> bool:
    return (
        type(image) is np.ndarray
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.shape[0] not in (0, *CHANNELS)
        and image.shape[1] > 0
    )


def _as_array(image: Any) -> Array:
    if image is None:
        raise InputError("expected an image, found None; cv2.imread gives None for a file that it cannot read")
    if hasattr(image, "mode") and hasattr(image, "convert"):  # PIL
        is_deep = str(image.mode).split(";", maxsplit=1)[0] in _DEEP_MODES
        return np.array(image if is_deep else image.convert("RGB"))
    if hasattr(image, "detach"):  # a tensor
        tensor = image.detach().cpu()
        return np.asarray(tensor.float() if tensor.is_floating_point() else tensor)
    if not isinstance(image, (np.ndarray, list, tuple)):
        raise InputError(
            f"expected an image as an array (H, W, 3) of RGB values, found {type(image).__name__}; "
            "ltr.common.image.read_image reads a file"
        )
    array = np.asarray(image)
    if array.dtype.kind not in "buif":
        raise InputError(f"expected an image of numbers, found an array of {array.dtype}")
    return array


def _channels_last(array: Array) -> Array:
    """(H, W), (H, W, C), (C, H, W) or one of these as a batch of one -> (H, W, C)."""
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[..., None]
    shape = array.shape
    is_last, is_first = (array.ndim == 3 and shape[axis] in CHANNELS for axis in (-1, 0))
    if is_last and is_first and array.size:
        raise InputError(
            f"cannot tell whether an image of shape {shape} is {shape[0]} pixels high or has {shape[0]} channels "
            "first; expected (height, width, 3)"
        )
    if not (is_last or is_first) or not array.size:
        raise InputError(f"expected an image of shape (height, width, 3), found {shape}")
    return array if is_last else array.transpose(1, 2, 0)


def _range_of(dtype: np.dtype[Any], low: float, high: float) -> Range:
    """The range of values that the first image of a sequence shows."""
    if dtype.kind == "f":
        if high <= 1:
            return 0.0, 1.0
        if 2 < high <= 255:
            return 0.0, 255.0
        raise InputError(
            f"expected a floating-point image of values from 0 to 1 or from 0 to 255, found {low:g} to {high:g}; "
            "bring it into one of these ranges"
        )
    if high <= 255:
        return 0.0, 255.0
    warnings.warn(
        f"the first image has values from {low:g} to {high:g}; of this and all later images these become 0 to 255, "
        "what is beyond is cut off",
        ImageRangeWarning,
        stacklevel=5,
    )
    return low, high
