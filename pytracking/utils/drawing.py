"""Drawing boxes and text on frames."""

from collections.abc import Sequence as SequenceOf

import numpy as np

from ltr.common.types import Image

Color = tuple[int, int, int]  # RGB
TRACKED: Color = (255, 64, 32)
GROUND_TRUTH: Color = (64, 220, 64)
LOST: Color = (150, 150, 150)  # a box of a target that the tracker does not see
SEARCH_AREA: Color = (70, 130, 255)


def draw_box(image: np.ndarray, box: SequenceOf[float] | np.ndarray, color: Color, thickness: int = 2) -> None:
    """Draw a box x, y, w, h into an RGB uint8 image (H, W, 3); nothing where the box has NaN."""
    import cv2

    if np.isfinite(box).all():
        limit = 4 * max(image.shape)  # OpenCV fails on coordinates beyond 32 bits
        x, y, w, h = (round(float(np.clip(value, -limit, limit))) for value in box)
        cv2.rectangle(image, (x, y), (x + w, y + h), color, thickness)


def draw_text(image: np.ndarray, lines: SequenceOf[str], color: Color = (255, 255, 255)) -> None:
    """Write lines into the upper left corner of an RGB uint8 image (H, W, 3), readable on any background."""
    import cv2

    scale = max(0.4, image.shape[1] / 1200)
    for number, line in enumerate(lines, start=1):
        x, y = round(10 * scale), round(28 * scale * number)
        # Thicker letters are also wider in OpenCV 5, so the outline is the same letters around the place.
        for dx, dy in ((-1, -1), (-1, 1), (1, -1), (1, 1), (-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)):
            shade = color if dx == dy == 0 else (0, 0, 0)
            cv2.putText(image, line, (x + dx, y + dy), cv2.FONT_HERSHEY_SIMPLEX, scale, shade, 1, cv2.LINE_AA)


def shrunk(image: Image, largest: int) -> Image:
    """The image with at most `largest` pixels a side."""
    import cv2

    scale = largest / max(image.shape[:2])
    if scale >= 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def fitted(image: Image, size: tuple[int, int], background: Color) -> Image:
    """RGB image scaled to fit into `size` = width, height, in the middle of a background."""
    import cv2

    width, height = size
    scale = min(width / image.shape[1], height / image.shape[0])
    w, h = (max(1, min(limit, round(scale * extent))) for limit, extent in zip(size, image.shape[1::-1], strict=True))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    canvas = np.full((height, width, 3), background, np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    canvas[top : top + h, left : left + w] = cv2.resize(image, (w, h), interpolation=method)
    return canvas
