"""Floods: too much of something, from one attacker, until it is cut off.

`benchmarks/attacks.py` repeats them and measures those beside them meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from uuid import UUID, uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.helpers import raw_updates as raw
from tests.helpers.server_process import LiveSession, ServerProcess, mint
from tests.helpers.yjs_peer import awareness, step1, step2, sync_update, var_bytes, var_uint

CUT = 1006
"""Ended without a close frame, or refused before the handshake."""
PATIENCE = 30.0
MANY = 20_000
"""Messages: far more than anybody may send at once."""

ROOMS = 40
"""That a user may enter in a minute: see `SETTINGS`."""
SETTINGS = {"COLLAB_ROOMS_PER_MINUTE": str(ROOMS)}
"""Of a server that is flooded: the limits of the rest are those it has by default."""

Frame = bytes | None
"""A message; None for a ping."""


@dataclass(slots=True)
class Flooded:
    """What came of a flood.

    Attributes:
        codes: how its connections ended, by code.
        reasons: what was said then.
        sent: messages that were sent.
    """

    codes: Counter[int] = field(default_factory=Counter)
    reasons: set[str] = field(default_factory=set)
    sent: int = 0

    def end(self, connection: ClientConnection) -> None:
        """Note how a connection ended."""
        self.codes[connection.close_code or CUT] += 1
        self.reasons.add(connection.close_reason or "")


Flood = Callable[[LiveSession], Awaitable[Flooded]]
"""Floods a session, as somebody who may edit it."""


def _connecting(url: str) -> connect:
    return connect(
        url,
        max_size=None,
        compression=None,
        ping_interval=None,
        close_timeout=2,
        open_timeout=PATIENCE,
    )


async def _pour(url: str, frames: Iterator[Frame], *, reads: bool = True) -> Flooded:
    """Send frames on one connection as fast as it takes them, until it is closed."""
    flooded = Flooded()
    try:
        async with asyncio.timeout(PATIENCE), _connecting(url) as connection:
            reading = asyncio.create_task(_drain(connection)) if reads else None
            with contextlib.suppress(ConnectionClosed):
                for frame in frames:
                    if frame is None:
                        await connection.ping()
                        await asyncio.sleep(0)  # a ping waits for nobody: let the end be noticed
                    else:
                        await connection.send(frame)
                    flooded.sent += 1
            if reading is None:
                reading = asyncio.create_task(_drain(connection))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reading, 3)
            flooded.end(connection)
    except (InvalidHandshake, OSError):
        flooded.codes[CUT] += 1
    return flooded


async def _drain(connection: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await connection.recv()


def _poured(frames: Callable[[], Iterator[Frame]], *, reads: bool = True) -> Flood:
    async def flood(session: LiveSession) -> Flooded:
        return await _pour(session.invite().url, frames(), reads=reads)

    return flood


# Of messages


def _presence() -> Iterator[Frame]:
    for clock in range(1, MANY):
        yield awareness([(7, clock, f'{{"x":{clock}}}')])


def _large_updates() -> Iterator[Frame]:
    text = raw.text("x" * (1 << 20))
    for clock in range(64):
        yield sync_update(raw.update(raw.section(1000 + clock, 0, raw.item(text, parent="text"))))


def _new_client_ids() -> Iterator[Frame]:
    struct = raw.item(raw.values(raw.NULL), parent="objects", key="k")
    for client in range(MANY):
        yield sync_update(raw.update(raw.section(2**31 + client, 0, struct)))


# Of one message


def _giant_presence() -> bytes:
    return awareness([(7, 1, '{"x":"' + "a" * (1 << 20) + '"}')])


def _presence_of_a_million() -> bytes:
    count = 580_000
    entries = b"".join(
        [var_uint(300 + client % 16_000) + b"\x00\x04null" for client in range(count)]
    )
    return b"\x01" + var_bytes(var_uint(count) + entries)


def _vector_of_a_million() -> bytes:
    count = 1_000_000
    return step1(
        var_uint(count) + b"".join([var_uint(client) + b"\x01" for client in range(count)])
    )


def _update_of_a_million() -> bytes:
    """As many clients as fit in a frame, each with one collected struct."""
    count = 600_000
    sections = b"".join([b"\x01" + var_uint(client) + b"\x00\x00\x01" for client in range(count)])
    return step2(var_uint(count) + sections + b"\x00")


# Of connections


async def _connections(session: LiveSession) -> Flooded:
    """One user, far more sockets than one has."""
    user = uuid4()
    flooded = Flooded()
    async with contextlib.AsyncExitStack() as stack:
        held = []
        for _ in range(30):
            try:
                connection = await stack.enter_async_context(_connecting(_invited(session, user)))
            except (InvalidHandshake, OSError, EOFError):
                flooded.codes[CUT] += 1
                continue
            held.append(connection)
            flooded.sent += 1
        await asyncio.sleep(0.5)
        for connection in held:
            if connection.close_code is not None:
                flooded.end(connection)
    return flooded


def _invited(session: LiveSession, user: UUID) -> str:
    return session.invite(user_id=user).url


async def _handshakes(session: LiveSession) -> Flooded:
    """Handshakes without end from one address; each is another user's."""
    flooded = Flooded()
    for _ in range(1_000):
        try:
            async with _connecting(session.invite().url) as connection:
                flooded.sent += 1
                with contextlib.suppress(TimeoutError, ConnectionClosed):
                    await asyncio.wait_for(connection.recv(), 0.05)
            flooded.end(connection)
        except (InvalidHandshake, OSError, EOFError):
            flooded.codes[CUT] += 1
        if flooded.codes[CUT] > 20:
            break
    return flooded


async def _rooms(session: LiveSession) -> Flooded:
    """One user opens room after room, each of which has to be loaded."""
    user = uuid4()
    flooded = Flooded()
    sessions = await session.server.create_sessions(ROOMS + 20)
    token = mint(user, grants={f"ocw/{each.id}": "editor" for each in sessions})
    for each in sessions:
        try:
            async with _connecting(each.invite_with(token, user).url) as connection:
                flooded.sent += 1
                with contextlib.suppress(ConnectionClosed):
                    await connection.recv()
        except (InvalidHandshake, OSError, EOFError):
            flooded.codes[CUT] += 1
        else:
            flooded.end(connection)
    return flooded


FLOODS: dict[str, Flood] = {
    "messages": _poured(_presence),
    "messages, nothing read": _poured(_presence, reads=False),
    "pings": _poured(lambda: iter(repeat(None, MANY))),
    "bytes": _poured(_large_updates),
    "first synchronisations": _poured(lambda: iter(repeat(step2(b"\x00\x00"), MANY))),
    "requests for everything": _poured(lambda: iter(repeat(step1(b"\x00"), MANY))),
    "new client ids": _poured(_new_client_ids),
    "giant presence": _poured(lambda: iter([_giant_presence()])),
    "presence of a million": _poured(lambda: iter([_presence_of_a_million()])),
    "a state vector of a million": _poured(lambda: iter([_vector_of_a_million()])),
    "an update of a million clients": _poured(lambda: iter([_update_of_a_million()])),
    "connections": _connections,
    "rooms": _rooms,
    "handshakes": _handshakes,
}
"""By what there is too much of. The last one uses up what an address may do in a minute."""


async def go_on(name: str, session: LiveSession) -> None:
    """The same flood again and again, each time as somebody else. Does not return."""
    while True:
        await FLOODS[name](session)


def main(arguments: list[str]) -> None:
    """`python -m tests.attacks.floods <flood> <port> <session>`: flood until killed."""
    name, port, session = arguments
    server = ServerProcess(Path("unused"))
    server.port = int(port)
    asyncio.run(go_on(name, LiveSession(server, session)))


if __name__ == "__main__":
    main(sys.argv[1:])
