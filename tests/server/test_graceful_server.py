"""A server that stops finishes what was asked of it, lets its application end, then hangs up."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from server.graceful_server import GracefulServer, LifespanWitness, uvicorn_config
from server.listener import open_listener, port_of
from server.settings import Settings
from tests.helpers.waiting import until

UNREAD = 16 * 1024 * 1024
"""Bytes: more than the system takes for somebody who does not read."""


class Scene:
    """An application whose requests and end are in a test's hand, and the server around it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.ready = asyncio.Event()
        self.requested = asyncio.Event()
        self.answer = asyncio.Event()
        self.on_end: Callable[[], Awaitable[None]] | None = None
        self.app = Starlette(
            lifespan=self.lifespan,
            routes=[
                Route("/slow", self.slow),
                Route("/client", self.client),
                WebSocketRoute("/ws", self.socket),
            ],
        )
        self.server = GracefulServer(
            uvicorn_config(Settings(), self.app, "websockets-sansio"),
            stop_seconds=2.0,
            on_ready=self.on_ready,
            farewell_seconds=0.1,
        )
        self.listener = open_listener("127.0.0.1", 0)
        self.port = port_of(self.listener)
        self.http = f"http://127.0.0.1:{self.port}"
        self.ws = f"ws://127.0.0.1:{self.port}/ws"

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self.events.append("started")
        yield
        if self.on_end is not None:
            await self.on_end()
        self.events.append("ended")

    def on_ready(self) -> None:
        self.events.append("ready")
        self.ready.set()

    async def slow(self, _request: Request) -> PlainTextResponse:
        self.requested.set()
        await self.answer.wait()
        self.events.append("answered")
        return PlainTextResponse("done")

    async def client(self, request: Request) -> PlainTextResponse:
        assert request.client is not None
        return PlainTextResponse(request.client.host)

    async def socket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_bytes(await websocket.receive_bytes())
        except WebSocketDisconnect as error:
            self.events.append(f"disconnected {error.code}")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Serve until told to stop, at the latest at the end of the block."""
        task = asyncio.create_task(self.server.serve(sockets=[self.listener]))
        await asyncio.wait_for(self.ready.wait(), 10)
        try:
            yield task
        finally:
            self.server.stop()
            await asyncio.wait_for(task, 10)
            self.listener.close()


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_it_is_ready_when_the_application_has_started(scene: Scene) -> None:
    async with scene.running():
        assert scene.events == ["started", "ready"]


async def test_the_application_ends_before_the_sockets_it_left_open_are_closed(
    scene: Scene,
) -> None:
    async with scene.running() as serving, connect(scene.ws, compression=None) as client:
        await client.send(b"hello")
        assert await client.recv() == b"hello"
        scene.server.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        await serving
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert scene.events[2:] == ["ended", "disconnected 1012"]
    assert scene.server.is_clean


async def test_a_request_in_progress_is_answered_before_the_application_ends(
    scene: Scene,
) -> None:
    async with scene.running() as serving, httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"{scene.http}/slow"))
        await scene.requested.wait()
        scene.server.stop()
        while scene.server.servers[0].sockets:  # noqa: ASYNC110 - asyncio's server tells nobody
            await asyncio.sleep(0.005)
        scene.answer.set()
        assert (await request).text == "done"
        await serving
    assert scene.events[2:] == ["answered", "ended"]


async def test_a_request_that_takes_too_long_is_not_waited_for(scene: Scene) -> None:
    async with scene.running() as serving, httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"{scene.http}/slow"))
        await scene.requested.wait()
        scene.server.stop()
        await asyncio.wait_for(serving, 5)
        assert "ended" in scene.events
        scene.answer.set()
        await asyncio.wait([request])
        request.exception()  # cut off or answered late: both are fair


async def test_who_does_not_read_does_not_hold_up_the_end(scene: Scene) -> None:
    scene.server._stop_seconds = 60.0
    async with scene.running() as serving, connect(scene.ws, compression=None) as client:
        client.transport.pause_reading()
        await client.send(bytes(UNREAD))
        (connection,) = scene.server.server_state.connections
        await until(lambda: connection.transport.get_write_buffer_size() > 0)
        scene.server.stop()
        await asyncio.wait_for(serving, 5)
        client.transport.abort()
    assert scene.server.is_clean


async def test_nobody_is_let_in_any_more(scene: Scene) -> None:
    async with scene.running() as serving:
        scene.server.stop()
        await serving
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", scene.port)


async def test_an_application_that_does_not_end_is_left_behind(scene: Scene) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    scene.server._stop_seconds = 0.2
    scene.on_end = hang
    async with scene.running() as serving:
        scene.server.stop()
        await asyncio.wait_for(serving, 5)
    assert not scene.server.is_clean


async def test_an_application_that_fails_while_ending_is_no_clean_end(scene: Scene) -> None:
    async def fail() -> None:
        raise RuntimeError("the journal could not be flushed")

    scene.on_end = fail
    async with scene.running():
        pass
    assert not scene.server.is_clean


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_and_nothing_else(scene: Scene, number: int) -> None:
    async with scene.running() as serving:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(serving, 5)
    assert scene.server.is_clean
    assert scene.events[-1] == "ended"


async def test_a_token_in_a_query_is_never_logged(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets.client").setLevel(logging.WARNING)  # what the client logs is its
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    async with scene.running(), httpx.AsyncClient() as client:
        await client.get(f"{scene.http}/client?token=SECRET")
        async with connect(f"{scene.ws}?token=SECRET", compression=None) as websocket:
            await websocket.send(b"hello")
            await websocket.recv()
    assert "SECRET" not in caplog.text


async def test_frames_are_not_compressed_even_if_a_client_offers_it(scene: Scene) -> None:
    async with scene.running(), connect(scene.ws) as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


async def test_no_header_changes_who_the_client_is_or_tells_what_we_run(scene: Scene) -> None:
    async with scene.running(), httpx.AsyncClient() as client:
        answer = await client.get(f"{scene.http}/client", headers={"X-Forwarded-For": "10.0.0.1"})
    assert answer.text == "127.0.0.1"
    assert "server" not in answer.headers


async def test_a_frame_over_the_limit_is_refused(scene: Scene) -> None:
    scene.server.config.ws_max_size = 1000
    async with scene.running(), connect(scene.ws, compression=None) as client:
        await client.send(bytes(1001))
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_the_fault_of_an_application_that_does_not_start_is_kept_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        raise LookupError("password=SECRET")
        yield

    witness = LifespanWitness(Starlette(lifespan=lifespan))
    server = GracefulServer(
        uvicorn_config(Settings(), witness, "websockets-sansio"),
        stop_seconds=1.0,
        on_ready=lambda: pytest.fail("it is not ready"),
    )
    with open_listener("127.0.0.1", 0) as listener, pytest.raises(SystemExit):
        await server.serve(sockets=[listener])
    assert isinstance(witness.fault, LookupError)
    assert "SECRET" not in caplog.text
