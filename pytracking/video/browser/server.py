"""The server of the page: on the loopback, for whoever knows the token in its address, one tab at a time."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import json
import logging
import secrets
import socket
import threading
from collections.abc import Awaitable
from importlib import resources
from pathlib import PurePath
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

from ltr.common.errors import InputError
from pytracking.video.browser.link import Link, Update
from pytracking.video.browser.messages import Seen, parse_message

HOST = "127.0.0.1"
PORT = 8098
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
NO_TOKEN = "the address needs the token that the terminal shows; copy it from there, whole"
BEAT_SECONDS = 3.0  # without news after which the page hears that the connection is alive
PING_SECONDS = 30.0  # after which a connection without an answer is given up
TAKEN = 4001  # code of a connection that is closed because another tab has the page
LARGEST_MESSAGE = 1 << 16  # bytes from the page


class PageServer:
    """Serves the page in a thread of its own, until `close`."""

    def __init__(self, port: int | None) -> None:
        """`port` None: PORT, or a free one where that is taken. Raises InputError where a given port is taken."""
        sockets = _listen(port)
        self.port: int = sockets[0].getsockname()[1]
        self._token = secrets.token_urlsafe(24)
        self.address = f"http://{HOST}:{self.port}/{self._token}/"
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self.link = Link(self._loop)
        self._desk = _Desk(self.link)
        self._thread = threading.Thread(target=self._run, args=(sockets,), name="page", daemon=True)
        self._thread.start()

    @property
    def is_watched(self) -> bool:
        """Whether a page is connected."""
        return self._desk.holder is not None

    def close(self) -> None:
        """End all connections and the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, sockets: list[socket.socket]) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(sockets))

    async def _serve(self, sockets: list[socket.socket]) -> None:
        application = tornado.web.Application(
            [
                (r"/([^/]+)/socket", _Socket),
                (r"/([^/]+)/([^/]*)", _File),
                (r"/([^/]*)", _Bare),
            ],
            token=self._token,
            desk=self._desk,
            default_handler_class=_Refusal,
            log_function=lambda _: None,  # else refused addresses, with what is in them, go to the terminal
            websocket_max_message_size=LARGEST_MESSAGE,
            websocket_ping_interval=PING_SECONDS,
        )
        server = tornado.httpserver.HTTPServer(application)
        server.add_sockets(sockets)
        await self._stop.wait()
        server.stop()
        self._desk.dismiss(1000, "the run has ended")
        await server.close_all_connections()


class _Desk:
    """Which tab has the page: the one that was opened last. A tab that only comes back does not push another away."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.holder: _Socket | None = None
        self._tab = ""

    def admit(self, newcomer: _Socket, tab: str, *, is_opened: bool) -> bool:
        """Whether a tab may have the page; a tab that had it is told."""
        if not is_opened and self._tab not in ("", tab):
            return False
        self.dismiss(TAKEN, "another tab has the page")
        self.holder, self._tab = newcomer, tab
        return True

    def leave(self, leaver: _Socket) -> None:
        """A connection has ended."""
        if self.holder is leaver:
            self.holder = None

    def dismiss(self, code: int, reason: str) -> None:
        """End the connection of the tab that has the page."""
        if self.holder is not None:
            self.holder.close(code, reason)
            self.holder.stop()
            self.holder = None


class _Guarded(tornado.web.RequestHandler):
    """Answers only who asks this machine by a name of the loopback, and knows the token."""

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        if not is_loopback(self.request.host_name):  # a foreign name that leads here: DNS rebinding
            return self.refuse(f"expected the host localhost or {HOST} (with any port), found {self.request.host_name}")
        if not hmac.compare_digest(self.path_args[0].encode(), self.settings["token"].encode()):
            return self.refuse(NO_TOKEN)
        return None

    def refuse(self, reason: str) -> None:
        """Answer 403."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{reason}\n")


class _Refusal(_Guarded):
    """Whatever has no place for a token."""

    def prepare(self) -> None:
        self.refuse(NO_TOKEN)


class _Bare(_Guarded):
    """The address without its last slash."""

    def get(self, token: str) -> None:
        self.redirect(f"{token}/")


class _File(_Guarded):
    """The files of the page."""

    def get(self, token: str, name: str) -> None:
        files = {file.name: file for file in (resources.files(__package__) / "page").iterdir()}
        if (file := files.get(name or "index.html")) is None:
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", f"{KINDS[PurePath(file.name).suffix]}; charset=utf-8")
        self.finish(file.read_bytes())


class _Socket(_Guarded, tornado.websocket.WebSocketHandler):
    """The connection of one tab. Its Origin must be the host that it asks (Tornado's `check_origin`)."""

    def initialize(self) -> None:
        self._desk: _Desk = self.settings["desk"]
        self._task: asyncio.Task[None] | None = None
        self._awaited: Update | None = None  # sent, and not yet shown by the page
        self._is_seen = asyncio.Event()

    def open(self, *_: str) -> None:
        """A tab asks for the page: `?tab=` says which, `opened=1` that a person wants it here."""
        if self._desk.admit(self, self.get_argument("tab", ""), is_opened=self.get_argument("opened", "") == "1"):
            self._task = asyncio.get_running_loop().create_task(self._deliver())
        else:
            self.close(TAKEN, "another tab has the page")

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Hand on keys and boxes; anything else that is said ends the connection."""
        if self._desk.holder is not self:
            return None
        try:
            said = parse_message(message)
        except ValueError as error:
            logging.getLogger(__name__).warning("the page is let go: %s", error)
            self.close(1008, "not understood")
            return None
        if not isinstance(said, Seen):
            self._desk.link.answer(said)
        elif self._awaited is not None and said.number == self._awaited.number:
            self._is_seen.set()
        return None

    def on_close(self) -> None:
        """The tab is closed, or the connection lost."""
        self.stop()
        self._desk.leave(self)

    def stop(self) -> None:
        """Deliver nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def _deliver(self) -> None:
        """Send the newest update, wait until the page shows it, and so on: what comes meanwhile is left out."""
        link, number, picture = self._desk.link, -1, None
        with contextlib.suppress(tornado.websocket.WebSocketClosedError):
            while True:
                update = await link.update_after(number, BEAT_SECONDS)
                if update is None:
                    await self.write_message("{}")
                    continue
                has_picture = update.picture is not None and update.picture is not picture
                about: dict[str, Any] = {"number": update.number, "has_picture": has_picture}
                self._awaited = update
                self._is_seen.clear()
                await self.write_message(json.dumps(about | update.state))
                if update.picture is not None and has_picture:
                    await self.write_message(update.picture.jpeg, binary=True)
                await self._is_seen.wait()
                if update.is_last:
                    link.last_was_seen.set()
                number, picture = update.number, update.picture


def is_loopback(host: str) -> bool:
    """Whether a host of an HTTP request, without its port, is a name or an address of the loopback."""
    name = host.removeprefix("[").removesuffix("]")
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost" or name.endswith(".localhost")


def _listen(port: int | None) -> list[socket.socket]:
    try:
        return tornado.netutil.bind_sockets(PORT if port is None else port, HOST)
    except OSError as error:
        if port is None:
            return tornado.netutil.bind_sockets(0, HOST)
        raise InputError(
            f"cannot serve the page on port {port}: {error.strerror}; give another --browser_port, or 0 for a free one"
        ) from error
