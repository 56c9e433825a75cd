"""Panels in files, for machines without a screen: MP4 videos, and a film strip as PNG."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from pathlib import Path

import numpy as np

from ltr.common.files import replacing
from ltr.common.types import Image
from pytracking.utils.video_writer import VideoWriter
from pytracking.visualization.panels import Content, Panel, Picture
from pytracking.visualization.rendering import mosaic, render
from pytracking.visualization.viewer import TRACKING, Viewer

COLUMNS = 3  # of the panels in the video
STRIP_FRAMES = 8


class TrackingVideo(Viewer):
    """MP4 of the frames, in their own size, with the boxes. A run that fails leaves the frames until then."""

    def __init__(self, path: Path, fps: float) -> None:
        self._writer = VideoWriter(path, fps, keep_partial=True)

    def open(self, panels: SequenceOf[Panel]) -> None:
        """Begin the file."""
        self._writer.open()

    def wants(self, panel: str) -> bool:
        """The frame alone."""
        return panel == TRACKING

    def show(self, contents: Mapping[str, Content]) -> None:
        """Add a frame."""
        picture = contents[TRACKING]
        assert isinstance(picture, Picture)
        self._writer.write(picture.image)

    def close(self) -> None:
        """Complete the file."""
        self._writer.close()


class PanelFiles(Viewer):
    """`<name>_panels.mp4`, all panels of each frame, and `<name>_strip.png`, a row for each panel over time."""

    def __init__(self, folder: Path, name: str, fps: float) -> None:
        self._writer = VideoWriter(folder / f"{name}_panels.mp4", fps, keep_partial=True)
        self._strip = folder / f"{name}_strip.png"
        self._names: list[str] = []
        self._contents: dict[str, Content] = {}
        self._samples = EvenSamples(STRIP_FRAMES)
        self._first: Mapping[str, Content] | None = None  # frame, until the second may have brought more panels

    def open(self, panels: SequenceOf[Panel]) -> None:
        """Begin the files."""
        self.extend(panels)
        self._writer.open()

    def extend(self, panels: SequenceOf[Panel]) -> None:
        """Show these; where they come after the second frame, all become smaller, since a video keeps its size."""
        self._names = [panel.name for panel in panels]

    def show(self, contents: Mapping[str, Content]) -> None:
        """Add a frame; a panel without news is shown as it was."""
        if not self._contents and self._first is None:
            self._first = contents
            return
        self._write_first()
        self._write(contents)

    def _write_first(self) -> None:
        if self._first is not None:
            first, self._first = self._first, None
            self._write(first)

    def _write(self, contents: Mapping[str, Content]) -> None:
        self._contents.update(contents)
        tiles = [render(name, self._contents.get(name)) for name in self._names]
        self._writer.write(mosaic(tiles, COLUMNS))
        self._samples.add(tiles)

    def close(self) -> None:
        """Complete the files."""
        try:
            self._write_first()
            self._writer.close()
        finally:  # the one may fail, and the other be written
            if samples := self._samples.chosen():
                empty = [render(name, None) for name in self._names]  # of frames before a panel came to be
                columns = [np.vstack([*tiles, *empty[len(tiles) :]]) for tiles in samples]
                write_png(self._strip, np.hstack(columns))


class EvenSamples:
    """A few items, evenly spread over a stream of unknown length, in bounded memory."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._step = 1
        self._seen = 0
        self._kept: list[list[Image]] = []
        self._last: list[Image] | None = None

    def add(self, item: list[Image]) -> None:
        """The next item of the stream."""
        if self._seen % self._step == 0:
            if len(self._kept) == 2 * self._count:
                self._kept = self._kept[::2]
                self._step *= 2
            if self._seen % self._step == 0:
                self._kept.append(item)
        self._last = item
        self._seen += 1

    def chosen(self) -> list[list[Image]]:
        """At most `count` items, the first and the last among them."""
        if self._last is None:
            return []
        items = self._kept if self._kept[-1] is self._last else [*self._kept, self._last]
        places = np.unique(np.linspace(0, len(items) - 1, self._count).round().astype(int))
        return [items[place] for place in places]


def write_png(path: Path, image: Image) -> None:
    """Write an RGB image; it appears when it is complete. Raises OSError where it cannot be written."""
    import cv2

    encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
