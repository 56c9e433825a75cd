"""A headless Chromium, spoken to by the DevTools protocol over a pair of pipes."""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Self

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 180  # seconds that an answer may take on a busy machine
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-extensions",
    "--disable-dev-shm-usage", "--no-first-run", "--mute-audio", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip


class Chromium:
    """One page in a fresh profile, as a context manager; skips the test where no Chromium is installed."""

    def __init__(self, profile: Path, width: int = 1280, height: int = 900) -> None:
        program = next((path for name in NAMES if (path := shutil.which(name))), None)
        if program is None:
            pytest.skip(f"needs Chromium, and finds none of {', '.join(NAMES)}; on Debian: apt-get install chromium")
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        to_child, self._write = _pipe()
        self._read, from_child = _pipe()
        with open(profile.parent / f"{profile.name}.log", "wb") as log:
            # Chromium reads commands from descriptor 3 and answers on 4.
            copies = [
                (os.POSIX_SPAWN_DUP2, old, new) for old, new in ((to_child, 3), (from_child, 4), (log.fileno(), 2))
            ]
            arguments = [
                program,
                *FLAGS,
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                "about:blank",
            ]
            self._process = os.posix_spawn(program, arguments, os.environ, file_actions=copies, setpgroup=0)
        os.close(to_child)
        os.close(from_child)

    def __enter__(self) -> Self:
        try:
            target = self.command("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.command(f"{domain}.enable")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._read)
        os.close(self._write)

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come meanwhile are kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], PATIENCE)[0]:
                raise TimeoutError(f"Chromium did not answer within {PATIENCE} s")
            if not (part := os.read(self._read, 1 << 20)):
                raise RuntimeError("Chromium ended unexpectedly")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path | str) -> None:
        """Load a page, a file or an address, and wait until its script has run, or failed."""
        self.command("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        self.wait_for("document.readyState === 'complete'")

    def screenshot(self) -> bytes:
        """The window as a PNG file."""
        return base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"])

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression in the page. Raises RuntimeError with the page's exception."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the page did not become: {expression}")
            time.sleep(0.05)

    def move(self, x: float, y: float) -> None:
        """Move the mouse to a point of the window."""
        self.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        x, y = self.point(selector)
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, name: str, code: int = 0) -> None:
        """Press a key by its name; old pages want its number, too."""
        for kind in ("rawKeyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    def point(self, selector: str, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
        """Point of an element, scrolled into view, as shares of its width and height."""
        x, y, width, height = self.evaluate(
            f"""(() => {{ const node = document.querySelector({json.dumps(selector)});
            node.scrollIntoView({{ block: 'center', behavior: 'instant' }}); const box = node.getBoundingClientRect();
            return [box.x, box.y, box.width, box.height]; }})()"""
        )
        return x + across * width, y + down * height

    def problems(self) -> list[str]:
        """Exceptions, errors and warnings of the page, and requests that it sent anywhere."""
        self.evaluate("0")  # whatever was reported before has arrived
        return [text for event in self.events if (text := _problem(event))]


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors are above those that the child uses."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


def _problem(event: dict[str, Any]) -> str | None:
    method, details = event.get("method"), event.get("params", {})
    if method == "Runtime.exceptionThrown":
        return f"exception: {details['exceptionDetails']}"
    if method == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning", "assert"):
        return f"console: {details}"
    if method == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
        return f"log: {details['entry']}"
    if method == "Network.requestWillBeSent" and not details["request"]["url"].startswith(("file:", "data:")):
        return f"request: {details['request']['url']}"
    return None
