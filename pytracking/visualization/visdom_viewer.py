"""Panels in the browser, by way of a visdom server.

Keys, with the panel Tracking selected: SPACE pauses and goes on, RIGHT ARROW goes on by one frame. The panel Block List
hides and shows the others.
"""

from __future__ import annotations

import html
import importlib
import logging
import socket
import sys
import time
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from typing import Any
from urllib.parse import urlparse

import numpy as np

from pytracking.utils.drawing import shrunk
from pytracking.visualization.panels import Bars, Content, Heatmap, Panel, Picture, Plot, Status, Text
from pytracking.visualization.viewer import TRACKING, Viewer

BLOCK_LIST = "block_list"  # window of the toggles
HELP = Text(
    (
        "With the panel Tracking selected:",
        "SPACE: pause, go on",
        "RIGHT ARROW, while paused: one frame",
        "The panel Block List hides and shows the others.",
        "red: tracked, grey: target lost, green: ground truth, blue: searched",
    )
)
LARGEST = 480  # pixels a side of an image that is sent
PROBE_SECONDS, ANSWER_SECONDS = 2.0, 10.0
POLL_SECONDS = 0.05
ECHO_SECONDS = 0.1
LOOPBACK = ("localhost", "127.0.0.1", "::1")

_connections: dict[tuple[str, int], VisdomViewer] = {}
_told: set[tuple[str, int]] = set()


def connect(server: str = "127.0.0.1", port: int = 8097) -> VisdomViewer | None:
    """The viewer of a server, one in a process; None, after one message that says what to type, where none answers."""
    viewer = _connections.get((server, port))
    if viewer is not None and viewer.is_alive:
        return viewer
    try:
        probe(server, port)
        viewer = VisdomViewer(_client(server, port), server, port)
    except ImportError:
        _tell(server, port, "visdom is not installed", "install it: pip install 'rls-onlinetrack[debug]'")
        return None
    except OSError:  # visdom's own ConnectionError, too
        _tell(server, port, f"no visdom server answers at {server}:{port}", _start_command(server, port))
        return None
    _connections[server, port] = viewer
    return viewer


class VisdomViewer(Viewer):
    """Windows of one server, kept from sequence to sequence, with what was toggled there; the last frame stays."""

    def __init__(self, client: Any, server: str, port: int) -> None:
        self._client = client
        self._address = server, port
        self._panels: list[str] = []
        self._hidden: set[str] = set()
        self._is_paused = False
        self._steps = 0
        self._last_key = "", 0.0
        self.is_alive = True
        client.register_event_handler(self._on_key, TRACKING)
        client.register_event_handler(self._on_toggle, BLOCK_LIST)

    def open(self, panels: SequenceOf[Panel]) -> None:
        """Take away windows of the sequence before, and show the toggles and the help."""
        names = [panel.name for panel in panels]
        stale = [name for name in self._panels if name not in names]
        self._panels = names
        for name in stale:
            self._send("close", win=name)
        self._show_toggles()
        self._draw("Help", HELP)

    def extend(self, panels: SequenceOf[Panel]) -> None:
        """Show the toggles of these panels."""
        self._panels = [panel.name for panel in panels]
        self._show_toggles()

    def wants(self, panel: str) -> bool:
        """What is not hidden, while the server lives."""
        return self.is_alive and panel not in self._hidden

    def show(self, contents: Mapping[str, Content]) -> None:
        """Send what is new."""
        for name, content in contents.items():
            self._draw(name, content)

    def wait(self) -> None:
        """Returns at once unless paused: then on a step, when going on, or when the server is gone."""
        next_probe = time.monotonic() + PROBE_SECONDS
        while self.is_alive and self._is_paused and not self._steps:
            if time.monotonic() > next_probe:  # visdom's client does not notice the end of its server
                next_probe += PROBE_SECONDS
                self._probe()
            time.sleep(POLL_SECONDS)
        self._steps = max(0, self._steps - 1)

    def _draw(self, name: str, content: Content) -> None:
        common: dict[str, Any] = {"win": name, "opts": {"title": name}}
        if isinstance(content, Picture):
            image = shrunk(content.image, LARGEST)
            common["opts"] |= {"jpgquality": 85, "width": image.shape[1], "height": image.shape[0]}
            self._send("image", np.moveaxis(image, 2, 0), **common)
        elif isinstance(content, Heatmap):
            self._send("heatmap", content.values[::-1], **common)  # row 0 is at the bottom there
        elif isinstance(content, Plot):
            common["opts"] |= {"legend": list(content.names), "xlabel": "frame"}
            common["opts"] |= {"ytype": "log" if content.is_log else "linear"}
            self._send("line", Y=content.values, X=content.frames, **common)
        elif isinstance(content, Bars):
            marked = np.arange(len(content.values)) < content.num_marked
            columns = np.column_stack((content.values * marked, content.values * ~marked))
            common["opts"] |= {"stacked": True, "legend": list(content.names)}
            self._send("bar", columns if content.num_marked else content.values, **common)
        elif isinstance(content, (Status, Text)):
            lines = content.lines() if isinstance(content, Status) else content.lines
            self._send("text", "<br>".join(map(html.escape, lines)), **common)

    def _show_toggles(self) -> None:
        toggles = [{"type": "checkbox", "name": name, "value": name not in self._hidden} for name in self._toggled()]
        self._send("properties", toggles, win=BLOCK_LIST, opts={"title": "Block List"})

    def _toggled(self) -> list[str]:
        return [name for name in self._panels if name != TRACKING]

    def _on_key(self, event: dict[str, Any]) -> None:
        if event.get("event_type") != "KeyPress" or self._is_echo(str(event.get("key"))):
            return
        if event.get("key") == " ":
            self._is_paused = not self._is_paused
        elif event.get("key") == "ArrowRight" and self._is_paused:
            self._steps += 1

    def _is_echo(self, key: str) -> bool:
        """Whether a key is one that was just heard: visdom's page sends it once for each picture that it shows."""
        now, before = time.monotonic(), self._last_key
        self._last_key = key, now
        return before[0] == key and now - before[1] < ECHO_SECONDS

    def _on_toggle(self, event: dict[str, Any]) -> None:
        if event.get("event_type") != "PropertyUpdate":
            return
        name = self._toggled()[int(event["propertyId"])]
        self._hidden ^= {name}
        self._show_toggles()
        if name in self._hidden:
            self._send("close", win=name)

    def _send(self, method: str, *args: Any, **settings: Any) -> None:
        if not self.is_alive:
            return
        try:
            getattr(self._client, method)(*args, **settings)
        except OSError:  # connection errors of every layer
            self._die()

    def _probe(self) -> None:
        try:
            probe(*self._address)
        except OSError:
            self._die()

    def _die(self) -> None:
        self.is_alive = False
        self._client.use_socket = False  # ends the thread that would go on trying
        server, port = self._address
        _told.discard(self._address)
        _tell(server, port, f"the visdom server at {server}:{port} is gone", _start_command(server, port))


def probe(server: str, port: int) -> None:
    """Raise OSError where nothing listens."""
    socket.create_connection((_host(server), port), PROBE_SECONDS).close()


def _host(server: str) -> str:
    return urlparse(server if "//" in server else f"//{server}").hostname or server


def _client(server: str, port: int) -> Any:
    """visdom's client, which raises and does not wait for ever. Raises OSError without a visdom server."""
    visdom: Any = importlib.import_module("visdom")

    class Client(visdom.Visdom):
        def _handle_post(self, url: str, data: Any = None) -> str:
            answer: str = self.session.post(url, data=data or {}, timeout=ANSWER_SECONDS).text
            return answer

        @property
        def session(self) -> Any:
            session = super().session
            session.trust_env = _host(server) not in LOOPBACK  # a proxy knows nothing of this machine
            return session

    logging.getLogger("visdom").setLevel(logging.CRITICAL)  # what fails is told once, below
    logging.getLogger("websocket").setLevel(logging.CRITICAL)
    client = Client(server=server, port=port, ipv6=False, raise_exceptions=True)
    if not client.socket_alive:
        client.use_socket = False
        raise ConnectionError("no visdom behind this port")
    return client


def _start_command(server: str, port: int) -> str:
    host = _host(server)
    command = f"python -m pytracking.util_scripts.visdom_server --port {port}"
    where = "in another terminal" if host in LOOPBACK else f"on {host}"
    return f"start one {where}: {command}\n  and open http://{host}:{port}; or --use_visdom False"


def _tell(server: str, port: int, what: str, remedy: str) -> None:
    if (server, port) not in _told:
        print(f"{what}; the run goes on without panels\n  {remedy}", file=sys.stderr)
    _told.add((server, port))
