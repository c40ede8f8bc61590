"""Stock JavaScript clients (yjs, y-websocket) in one Node process, driven by JSON lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import threading
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import pytest

from tests.helpers.server_process import Invitation

HARNESS = Path(__file__).parent.parent / "interop" / "node"
ANSWER_SECONDS = 60.0


class NodeError(Exception):
    """What a command threw inside Node, with its stack."""


def require_node() -> str:
    """Path of node; skips the test without it, or fails it under REQUIRE_ALL=1."""
    node = shutil.which("node")
    if node is not None and (HARNESS / "node_modules" / "yjs").is_dir():
        return node
    missing = "install Node 18 or newer with npm, then `npm ci` in tests/interop/node"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


class NodeProcess:
    """One Node process with any number of clients in it.

    Reading and writing happen in threads, so that one process can serve tests of several loops.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [require_node(), "clients.mjs"],
            cwd=HARNESS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._next_id = 0
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._write, self._read)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Of the Node process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def _write(self) -> None:
        assert self._process.stdin is not None
        while (line := self._outbox.get()) is not None:
            try:
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except OSError:
                return

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._lock:
                future = self._waiting.pop(answer["id"])
            if not future.set_running_or_notify_cancel():
                continue
            if "error" in answer:
                future.set_exception(NodeError(answer["error"]))
            else:
                future.set_result(answer["result"])
        with self._lock:
            orphans, self._waiting = list(self._waiting.values()), {}
        for future in orphans:
            if future.set_running_or_notify_cancel():
                future.set_exception(NodeError("Node has ended"))

    async def request(self, op: str, **fields: Any) -> Any:
        """Carry out one operation of `clients.mjs`.

        Raises:
            NodeError: it threw, or Node has ended.
        """
        future: Future[Any] = Future()
        with self._lock:
            self._next_id += 1
            number = self._next_id
            self._waiting[number] = future
        self._outbox.put(json.dumps({"id": number, "op": op, **fields}).encode() + b"\n")
        if not self.is_running and not future.done():
            raise NodeError("Node has ended")
        async with asyncio.timeout(ANSWER_SECONDS):
            return await asyncio.wrap_future(future)

    async def complaints(self) -> list[str]:
        """What the libraries have logged since this was last asked."""
        logged: list[str] = await self.request("complaints")
        return logged

    def kill(self) -> None:
        """End it with SIGKILL: its sockets are cut without a word."""
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End it and wait for that."""
        self._outbox.put(None)
        self._threads[0].join()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it was killed
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._threads[1].join()
        if self._process.stdout is not None:
            self._process.stdout.close()


class NodeClient:
    """One `WebsocketProvider` with its document and an undo manager."""

    def __init__(self, process: NodeProcess, name: str, client_id: int) -> None:
        self._process = process
        self.name = name
        self.client_id = client_id

    @classmethod
    async def create(
        cls,
        process: NodeProcess,
        name: str,
        invitation: Invitation,
        *,
        version: str = "3.1",
        watchdog: float | None = None,
        client_id: int | None = None,
        params: dict[str, str] | None = None,
        **options: Any,
    ) -> Self:
        """Make a client, which connects at once unless `connect=False`.

        Args:
            name: unique within the process.
            invitation: where to, and with which token.
            version: of y-websocket: 3.1 or 3.0.
            watchdog: seconds of silence after which the provider reconnects, in place of 30.
            client_id: the Yjs client id, instead of a random one.
            params: query parameters besides the token.
            options: of WebsocketProvider; `present=False` starts it without presence.
        """
        query = {"token": invitation.token, **(params or {})} if invitation.token else params or {}
        fields: dict[str, Any] = {"options": {"params": query, **options}, "version": version}
        if watchdog is not None:
            fields["watchdog"] = watchdog * 1000
        if client_id is not None:
            fields["clientId"] = client_id
        created = await process.request(
            "create", name=name, base=invitation.base, room=invitation.room, **fields
        )
        return cls(process, name, created)

    async def run(self, code: str, **args: Any) -> Any:
        """Run a JavaScript function body; see `clients.mjs` for what it can use."""
        return await self._process.request("run", name=self.name, code=code, args=args)

    async def until(self, expression: str, *, timeout: float = 30.0, **args: Any) -> Any:  # noqa: ASYNC109 - waited for inside Node, which says what it had instead
        """Wait until a JavaScript expression is truthy; return its value."""
        return await self._process.request(
            "until",
            name=self.name,
            code=expression,
            args=args,
            timeout=timeout * 1000,
        )

    async def synced(self) -> Self:
        """Wait until the provider says that it has synced."""
        await self.until("provider.synced")
        return self

    async def contents(self) -> dict[str, Any]:
        """The roots `objects`, `list`, `text` and `xml` as JSON."""
        found: dict[str, Any] = await self.run("return contents()")
        return found

    async def update(self) -> bytes:
        """The whole document as one Yjs update."""
        encoded = await self.run("return Array.from(Y.encodeStateAsUpdate(doc))")
        return bytes(encoded)

    async def present(self) -> dict[int, Any]:
        """The awareness states this client knows, its own included, by client id."""
        states = await self.run("return Array.from(awareness.getStates().entries())")
        return dict(states)

    async def field(self, name: str) -> Any:
        """One of the fields that `clients.mjs` records: `closes`, `denials`, `sockets`, …"""
        return await self.run("return client[args.name]", name=name)

    async def cut(self) -> None:
        """Kill the socket without a closing handshake; the provider comes back by itself."""
        await self.run("provider.ws.terminate()")

    async def destroy(self) -> None:
        """End it as a page that is closed in good order."""
        await self._process.request("destroy", name=self.name)


class Ends(Protocol):
    """Something in the Node process that a test has to end."""

    async def destroy(self) -> None:
        """End it in good order."""


E = TypeVar("E", bound=Ends)


class EndedTogether(Generic[E]):
    """What one test made in a shared process; ended with the `async with`."""

    def __init__(self, process: NodeProcess) -> None:
        self.process = process
        self._made: list[E] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.is_running:
            for each in self._made:
                await each.destroy()


class NodeClients(EndedTogether[NodeClient]):
    """The clients of one test."""

    async def join(self, name: str, invitation: Invitation, **options: Any) -> NodeClient:
        """Create a client and wait until it has synced."""
        client = await self.create(name, invitation, **options)
        return await client.synced()

    async def create(self, name: str, invitation: Invitation, **options: Any) -> NodeClient:
        """Create a client, without waiting. Options as of `NodeClient.create`."""
        client = await NodeClient.create(self.process, name, invitation, **options)
        self._made.append(client)
        return client
