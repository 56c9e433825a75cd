"""A visdom server in a process of its own, and what it shows."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

import pytest

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120.0  # seconds that a start may take on a busy machine


class VisdomServer:
    """Started on a free port of this machine, as a context manager."""

    def __init__(self, folder: Path, with_page: bool = False) -> None:
        """Without its page it needs no npm: what it holds is read by programs."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._log = folder / "visdom.log"
        environment = dict(os.environ) | {"XDG_CACHE_HOME": str(folder / "cache")}
        if not with_page:
            environment["PATH"] = str(folder / "nothing")
        command = [sys.executable, "-m", "pytracking.util_scripts.visdom_server", "--port", str(self.port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--environments", str(folder / "environments")],
                cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def __enter__(self) -> Self:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.1)
        self.kill()
        pytest.fail(f"the visdom server did not start:\n{self.log()}")

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; after SIGKILL the port is free."""
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()

    def log(self) -> str:
        """What the server printed."""
        return self._log.read_text(errors="replace")

    def windows(self) -> dict[str, dict[str, Any]]:
        """All windows by their id."""
        answer: dict[str, dict[str, Any]] = json.loads(self._post("win_data", {"win": None, "eid": "main"}))
        return answer

    def status(self) -> str:
        """Text of the panel Status; empty before it is there."""
        return str(self.windows().get("Status", {}).get("content", ""))

    def send_event(self, **event: Any) -> None:
        """What a page sends when somebody presses a key or clicks."""
        import websocket

        page = websocket.create_connection(f"ws://127.0.0.1:{self.port}/socket", timeout=PATIENCE)
        data = {"eid": "main", "pane_data": False, **event}
        page.send(json.dumps({"cmd": "forward_to_vis", "data": data}))
        page.close()

    def _post(self, endpoint: str, message: dict[str, Any]) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{endpoint}", json.dumps(message).encode())
        with opener.open(request, timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
        return text
