"""Bytes on a TCP connection, as no HTTP client would send them, and what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass

QUIET_SECONDS = 0.5
"""Nothing for so long after something came: the server has said what it had to say."""
PATIENCE = 20.0

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came back.

    Attributes:
        statuses: of all answers, in order.
        is_closed: whether the server ended the connection.
    """

    received: bytes
    statuses: tuple[int, ...]
    is_closed: bool


async def exchange(port: int, *parts: bytes, patience: float = PATIENCE) -> Exchange:
    """Send parts one after the other and read until the server is quiet or closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    received = b""
    is_closed = False
    try:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await asyncio.wait_for(writer.drain(), patience)
        while True:
            try:
                more = await asyncio.wait_for(
                    reader.read(1 << 16), QUIET_SECONDS if received else patience
                )
            except TimeoutError:
                break
            except ConnectionError:
                is_closed = True
                break
            if not more:
                is_closed = True
                break
            received += more
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    statuses = tuple(int(found) for found in _STATUS.findall(received))
    return Exchange(received, statuses, is_closed)
