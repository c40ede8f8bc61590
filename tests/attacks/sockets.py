"""What an attacker sees of a socket: what it was sent, and with which code it was closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.helpers.yjs_peer import PATIENCE, step1


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended.

    Attributes:
        code: of the close frame; 1006 without one.
        frames: what the server had sent by then.
    """

    code: int
    reason: str
    frames: tuple[bytes, ...]


async def ending(
    url: str,
    frames: Iterable[bytes | str] = (step1(b"\x00"),),
    *,
    headers: Sequence[tuple[str, str]] = (),
    subprotocols: Sequence[str] | None = None,
    **options: Any,
) -> Ending:
    """Connect, send frames, and wait until the server closes.

    Raises:
        TimeoutError: it does not.
        InvalidStatus: it refused the handshake.
    """
    seen: list[bytes] = []
    async with connect(
        url,
        additional_headers=list(headers),
        subprotocols=subprotocols,  # type: ignore[arg-type] # a NewType of str
        max_size=None,
        compression=None,
        ping_interval=None,
        close_timeout=2,
        open_timeout=PATIENCE,
        **options,
    ) as connection:
        try:
            async with asyncio.timeout(PATIENCE):
                for frame in frames:
                    await connection.send(frame)
                while True:
                    frame = await connection.recv()
                    assert isinstance(frame, bytes)
                    seen.append(frame)
        except ConnectionClosed:
            code = connection.close_code or 1006
            return Ending(code, connection.close_reason or "", tuple(seen))
