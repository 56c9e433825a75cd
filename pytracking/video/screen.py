"""Where a person looks and draws: a window of OpenCV, or a page in a browser (`pytracking.video.browser`)."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Protocol

from ltr.common.errors import InputError
from ltr.common.types import Image
from pytracking.video.scene import Scene

ARROW_RIGHT = (65363, 2555904, 63235)  # of X11, Windows and macOS
PROBE_SECONDS = 30
INSTEAD = "give boxes by --optional_box, and --no_display, or draw them by --draw_in_browser"


class Screen(Protocol):
    """Where a person looks and draws."""

    def show(self, scene: Scene) -> None:
        """Show a frame."""

    def key(self, milliseconds: int) -> str:
        """The key pressed within this time: a character, "right", "quit" where the window was closed; else ""."""

    def select_boxes(self, scene: Scene, problem: str) -> list[list[float]]:
        """New boxes x, y, w, h, in pixels of the image; none where that is given up.

        `problem` says what was wrong with a box that was drawn before.
        """

    def close(self, ending: str) -> None:
        """Close it; `ending` says what became of the run."""


def open_screen(title: str) -> Screen:
    """A window. Raises InputError where none can be opened."""
    problem = display_problem()
    if problem:
        raise InputError(f"cannot open a window: {problem}\n  {INSTEAD}")
    return Window(title)


def display_problem() -> str:
    """Why no window can be opened; empty where one can.

    OpenCV ends the process where it finds no display, so another process tries.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display here (DISPLAY is not set)"
    import cv2

    gui = next((line for line in cv2.getBuildInformation().splitlines() if line.strip().startswith("GUI:")), "")
    if gui.split()[-1:] == ["NONE"]:
        return "this OpenCV was built without windows (opencv-python-headless); install opencv-python"
    code = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "the display does not answer"
    return "" if done.returncode == 0 else f"OpenCV cannot use the display {os.environ.get('DISPLAY', '')}".rstrip()


class Window:
    """OpenCV's window."""

    def __init__(self, title: str) -> None:
        import cv2

        self._cv2: Any = cv2
        self._title = title
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        self._is_sized = False

    def show(self, scene: Scene) -> None:
        """Show the frame with what is known of it."""
        self._show(scene.drawn())

    def _show(self, image: Image) -> None:
        if not self._is_sized:
            self._cv2.resizeWindow(self._title, image.shape[1], image.shape[0])
            self._is_sized = True
        self._cv2.imshow(self._title, self._cv2.cvtColor(image, self._cv2.COLOR_RGB2BGR))

    def key(self, milliseconds: int) -> str:
        """The key pressed within this time."""
        code = self._cv2.waitKeyEx(max(1, milliseconds))
        if self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) < 1:
            return "quit"
        if code in ARROW_RIGHT:
            return "right"
        return chr(code & 0xFF).lower() if code > 0 and code & 0xFF < 128 else ""

    def select_boxes(self, scene: Scene, problem: str) -> list[list[float]]:
        """Drag one box, then ENTER; `c` gives up."""
        from pytracking.utils.drawing import draw_text

        if problem:
            print(f"draw another box: {problem}", file=sys.stderr)
        shown = scene.with_boxes()
        draw_text(shown, [f"target {scene.next_target}", "drag a box, then ENTER; c: none"])
        self._show(shown)
        bgr = self._cv2.cvtColor(shown, self._cv2.COLOR_RGB2BGR)
        x, y, w, h = self._cv2.selectROI(self._title, bgr, showCrosshair=False, printNotice=False)
        return [[float(x), float(y), float(w), float(h)]] if w > 0 and h > 0 else []

    def close(self, ending: str) -> None:
        """Close the window; the terminal says how it ended."""
        self._cv2.destroyAllWindows()
