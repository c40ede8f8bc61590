"""A small application for tests of the process around it: echoes, and misbehaves when told to.

WebSocket at `/ws?user=N`, binary messages. A message is noted as being applied, then its first
word says what applying does: `hang`, `spin` (the same in C, without letting go of the
interpreter), `abort`, `slow-die` (killed after a while), anything else is echoed. `stuck` hangs
outside of applying. `heavy 2.5 3.5` is trusted work of 2.5 s that may take 3.5 s.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from persistence.errors import DatabaseInUse
from persistence.ports import StorageUnavailable
from server.applying_note import ApplyingNote
from server.settings import Settings


class TinyApp:
    def __init__(self, settings: Settings, note: ApplyingNote) -> None:
        self.settings = settings
        self.note = note
        self.open: set[WebSocket] = set()

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        app.state.ready_lines = [f"tiny on {self.settings.port}"]
        yield
        for websocket in list(self.open):
            await websocket.close(1012, "the server restarts")
        (self.settings.data_dir / "flushed").touch()

    async def pid(self, _request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(os.getpid()))

    async def socket(self, websocket: WebSocket) -> None:
        sender = UUID(int=int(websocket.query_params["user"])).bytes
        await websocket.accept()
        self.open.add(websocket)
        try:
            while True:
                message = await websocket.receive_bytes()
                if self.note.is_poisoned(message):
                    await websocket.close(4400, "this update is not taken again")
                    return
                await websocket.send_bytes(self.apply(message, sender))
        except WebSocketDisconnect:
            return
        finally:
            self.open.discard(websocket)

    def apply(self, message: bytes, sender: bytes) -> bytes:
        if message.startswith(b"stuck"):
            hang()
        if message.startswith(b"heavy"):
            return self.work(message)
        self.note.begin_many([message], sender)
        misbehave(message.split()[0].decode())
        self.note.end()
        return message

    def work(self, message: bytes) -> bytes:
        _, takes, may_take = message.split()
        self.note.begin_heavy(message, float(may_take))
        time.sleep(float(takes))
        self.note.end()
        return message


def misbehave(word: str) -> None:
    match word:
        case "hang":
            hang()
        case "spin":
            sum(itertools.count())
        case "abort":
            os.abort()
        case "slow-die":
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            return


def hang() -> NoReturn:
    while True:
        pass


def create_app(settings: Settings, note: ApplyingNote) -> Starlette:
    tiny = TinyApp(settings, note)
    return Starlette(
        lifespan=tiny.lifespan,
        routes=[Route("/pid", tiny.pid), WebSocketRoute("/ws", tiny.socket)],
    )


def failing(fault: BaseException) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        raise fault
        yield

    return Starlette(lifespan=lifespan)


def create_app_on_a_database_in_use(_settings: Settings, _note: ApplyingNote) -> Starlette:
    return failing(DatabaseInUse("another server works on this database"))


def create_app_without_storage(_settings: Settings, _note: ApplyingNote) -> Starlette:
    return failing(StorageUnavailable("connection refused"))


def create_app_that_is_misconfigured(_settings: Settings, _note: ApplyingNote) -> Starlette:
    raise ValueError("the secret is too short, token=abc")
