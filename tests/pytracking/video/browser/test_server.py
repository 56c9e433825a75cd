"""Who is answered by the page's server, and what a connection gets."""

import asyncio
import contextlib
import http.client
import json
import socket
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from ltr.common.errors import InputError
from pytracking.video.browser import server as browser_server
from pytracking.video.browser.messages import Boxes, Key, Picture
from pytracking.video.browser.screen import BrowserScreen
from pytracking.video.browser.server import TAKEN, PageServer
from tests.pytracking.video.browser.runs import PATIENCE, wait_until


@pytest.fixture
def server() -> Iterator[PageServer]:
    server = PageServer(0)
    yield server
    server.close()


def get(server: PageServer, path: str, headers: dict[str, str] | None = None) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())


def root(server: PageServer) -> str:
    return urlsplit(server.address).path


def test_page_and_its_files(server: PageServer) -> None:
    for name, kind in (("", "html"), ("page.css", "css"), ("main.js", "javascript"), ("stage.js", "javascript")):
        status, text, headers = get(server, root(server) + name)
        assert status == 200
        assert kind in headers["Content-Type"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")  # a name, which nothing is fetched from
        assert "https://" not in text
    assert get(server, root(server).rstrip("/"))[0] == 302
    assert get(server, root(server) + "missing.js")[0] == 404


@pytest.mark.parametrize(
    "path", ["/", "/wrong", "/wrong/", "/wrong/main.js", "/wrong/socket", "/a/b/c", "//", "/%ff/x"]
)
def test_without_the_token_nothing_is_answered(server: PageServer, path: str) -> None:
    status, text, _ = get(server, path)
    assert status in ((400,) if "%ff" in path else (403,))
    assert "<" not in text or status == 400


@pytest.mark.parametrize("cut", [slice(0, -1), slice(1, None), slice(0, 0)])
def test_a_part_of_the_token_is_not_enough(server: PageServer, cut: slice) -> None:
    assert get(server, f"/{root(server).strip('/')[cut]}/")[0] == 403


@pytest.mark.parametrize("name", ["..%2fserver.py", "..%2f..%2fscreen.py", "%2e%2e", "..", "page/../index.html"])
def test_only_the_page_is_served(server: PageServer, name: str) -> None:
    assert get(server, root(server) + name)[0] in (403, 404)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9999", "127.0.0.1:1", "[::1]:80", "me.localhost:5", "LOCALHOST"]
)
def test_forwarded_ports_are_answered(server: PageServer, host: str) -> None:
    assert get(server, root(server), {"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8098", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[2::1]"],
)
def test_names_that_were_bent_to_this_machine_are_refused(server: PageServer, host: str) -> None:
    assert get(server, root(server), {"Host": host})[0] == 403


def test_it_listens_at_one_address_of_the_loopback(server: PageServer) -> None:
    with pytest.raises(OSError, match=r"refused|assign|reach|timed out"):  # a server for all addresses would answer
        socket.create_connection(("127.0.0.2", server.port), 10)


def test_ports(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.closing(PageServer(0)) as first:
        with pytest.raises(InputError, match=f"on port {first.port}: .*; give another --browser_port, or 0"):
            PageServer(first.port)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(browser_server, "PORT", first.port)
            with contextlib.closing(PageServer(None)) as second:
                assert second.port not in (0, first.port)
    screen = BrowserScreen("walk", 0)
    screen.close("done")
    error = capsys.readouterr().err
    assert error.startswith(f"open {screen._server.address}\n")
    assert "ssh -L" in error


def test_without_tornado(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pytracking.video.browser.server")
    for name in [name for name in sys.modules if name.split(".")[0] == "tornado"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tornado", None)
    with pytest.raises(InputError, match=r"needs Tornado.*pip install 'rls-onlinetrack\[browser\]'"):
        BrowserScreen("walk")


# Connections


def talk(coroutine: Any) -> None:
    asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


async def connect(
    server: PageServer, tab: str = "a", *, opened: bool = True, headers: dict[str, str] | None = None
) -> WebSocketClientConnection:
    url = f"{server.address}socket?tab={tab}&opened={int(opened)}".replace("http", "ws", 1)
    return await websocket_connect(HTTPRequest(url, headers=headers or {}))


async def next_state(client: WebSocketClientConnection) -> dict[str, Any]:
    """The next update, which is answered; `bytes` is the size of its picture."""
    while not (state := json.loads(await client.read_message() or "null")):  # that the connection lives
        assert state is not None, "closed"
    if state["has_picture"]:
        state["bytes"] = len(await client.read_message() or b"")
    await client.write_message(json.dumps({"seen": state["number"]}))
    return state


async def closed_with(client: WebSocketClientConnection) -> int | None:
    while await client.read_message() is not None:
        pass
    return client.close_code


def make_picture(value: int) -> Picture:
    return Picture(np.full((30, 40, 3), value, np.uint8))


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Origin": "http://127.0.0.1:1"}]
)
def test_connections_of_other_pages_are_refused(server: PageServer, headers: dict[str, str]) -> None:
    with pytest.raises(HTTPClientError, match="403"):
        talk(connect(server, headers=headers))


def test_connections_through_a_forwarded_port(server: PageServer) -> None:
    async def run() -> None:
        client = await connect(server, headers={"Host": "localhost:9000", "Origin": "http://localhost:9000"})
        assert (await next_state(client))["phase"] == "starting"

    talk(run())


def test_a_connection_gets_the_newest_update_alone(server: PageServer) -> None:
    async def run() -> None:
        client = await connect(server)
        assert (await next_state(client))["phase"] == "starting"
        server.link.post({"frame": 0}, make_picture(0))
        first = json.loads(await client.read_message() or "")  # not answered: the page is busy
        assert first["has_picture"]
        assert await client.read_message()
        pictures = [make_picture(value) for value in range(1, 200)]
        for number, picture in enumerate(pictures, start=1):
            server.link.post({"frame": number}, picture)
        await client.write_message(json.dumps({"seen": first["number"]}))
        state = await next_state(client)
        assert (state["frame"], state["bytes"]) == (199, len(pictures[-1].jpeg))
        assert not any("jpeg" in vars(picture) for picture in pictures[:-1])  # never encoded

    talk(run())


def test_a_picture_is_sent_once(server: PageServer) -> None:
    picture = make_picture(9)

    async def run() -> None:
        client = await connect(server)
        await next_state(client)
        server.link.post({"phase": "tracking"}, picture)
        assert "bytes" in await next_state(client)
        server.link.post({"phase": "tracking"}, picture)  # the same: nothing is sent
        server.link.post({"phase": "paused"}, picture)
        state = await next_state(client)
        assert state["phase"] == "paused"
        assert not state["has_picture"]
        again = await connect(server)  # the same tab, after its connection was lost
        assert (await next_state(again))["bytes"] == len(picture.jpeg)

    talk(run())


def test_the_tab_that_was_opened_last_has_the_page(server: PageServer) -> None:
    async def run() -> None:
        first = await connect(server, "first")
        await next_state(first)
        second = await connect(server, "second")
        assert await closed_with(first) == TAKEN
        returned = await connect(server, "first", opened=False)  # as a tab that lost its connection
        assert await closed_with(returned) == TAKEN
        await next_state(second)
        wanted = await connect(server, "first")
        assert await closed_with(second) == TAKEN
        await next_state(wanted)
        again = await connect(server, "first", opened=False)  # its old connection was not known to be lost
        assert await closed_with(wanted) == TAKEN
        await next_state(again)

    talk(run())


def test_a_connection_that_has_nothing_to_say_is_known_to_live(server: PageServer, monkeypatch) -> None:
    monkeypatch.setattr(browser_server, "BEAT_SECONDS", 0.05)

    async def run() -> None:
        client = await connect(server)
        await next_state(client)
        assert [await client.read_message() for _ in range(3)] == ["{}"] * 3

    talk(run())


def test_what_is_not_understood_ends_the_connection(server: PageServer) -> None:
    async def run() -> None:
        for message in ('{"key": "format"}', "x" * (1 << 17)):
            client = await connect(server)
            await client.write_message(message)
            assert await closed_with(client) in (1008, 1009, None)

    talk(run())
    assert server.link.next_answer(0.01) is None


def test_answers_arrive_and_are_bounded(server: PageServer) -> None:
    async def run() -> None:
        client = await connect(server)
        await client.write_message('{"question": 1, "boxes": [[1, 2, 3, 4]]}')
        for _ in range(500):
            await client.write_message('{"key": "n"}')
        await next_state(client)
        server.link.post({"phase": "tracking"}, None)
        await next_state(client)

    talk(run())
    assert server.link.next_answer(PATIENCE) == Boxes(1, ((1, 2, 3, 4),))
    answers = 0
    while server.link.next_answer(0.2) == Key("n"):
        answers += 1
    assert 0 < answers < 100


def test_the_end_is_awaited_where_somebody_looks(server: PageServer) -> None:
    async def run() -> None:
        client = await connect(server)
        await next_state(client)
        server.link.post({"phase": "ended"}, None, is_last=True)
        assert not server.link.last_was_seen.is_set()
        await next_state(client)
        await asyncio.to_thread(wait_until, server.link.last_was_seen.is_set)
        client.close()
        await asyncio.to_thread(wait_until, lambda: not server.is_watched)

    talk(run())
