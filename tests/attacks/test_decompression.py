"""Small messages that would become large: nothing that comes from outside is decompressed."""

from __future__ import annotations

import gzip
import struct
import zlib
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.attacks.neighbours import Neighbours
from tests.attacks.raw_http import exchange
from tests.helpers.server_process import ServerProcess, mint

GIGABYTE = 1 << 30
MEMORY = 32 << 20
"""What the server may take more."""


def _bomb() -> bytes:
    """Raw deflate of a gigabyte of zeros: a megabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = bytes(1 << 20)
    return b"".join([packer.compress(piece) for _ in range(GIGABYTE >> 20)]) + packer.flush()


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return _bomb()


def _masked(first: int, payload: bytes) -> bytes:
    return bytes((first, 0x80 | 127)) + struct.pack("!Q", len(payload)) + bytes(4) + payload


def _handshake(path: str, *headers: str) -> bytes:
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
    )
    return "\r\n".join([*lines, "", ""]).encode()


async def test_compression_is_not_agreed_to(neighbours: Neighbours) -> None:
    url = neighbours.session.invite().url
    async with connect(url, compression="deflate", max_size=None) as connection:
        assert connection.response is not None
        assert "Sec-WebSocket-Extensions" not in connection.response.headers


@pytest.mark.parametrize("first", [0xC2, 0xA2, 0x92, 0xC1], ids=["rsv1", "rsv2", "rsv3", "text"])
async def test_a_compressed_message_is_not_decompressed(
    server: ServerProcess, neighbours: Neighbours, bomb: bytes, first: int
) -> None:
    """A bit that only an extension may set ends the connection (1002)."""
    before = server.memory()
    path = httpx.URL(neighbours.session.invite().url).raw_path.decode()
    extension = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    answer = await exchange(server.port, _handshake(path, extension), _masked(first, bomb))
    assert answer.statuses == (101,)
    assert b"permessage-deflate" not in answer.received
    assert answer.is_closed
    assert b"\x03\xea" in answer.received, "closed with 1002"
    assert server.memory() - before < MEMORY


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x-gzip"])
async def test_a_compressed_body_is_not_decompressed(
    server: ServerProcess, neighbours: Neighbours, bomb: bytes, encoding: str
) -> None:
    before = server.memory()
    body = bomb[: 900 * 1024] if encoding != "gzip" else gzip.compress(bytes(64 << 20))
    headers = {
        "Authorization": f"Bearer {mint(uuid4(), grants={f'ocw/{neighbours.session.id}': 'host'})}",
        "Content-Type": "application/json",
        "Content-Encoding": encoding,
    }
    async with httpx.AsyncClient(timeout=30.0, headers=headers) as client:
        answer = await client.post(
            f"{server.api}/ocw/sessions/{neighbours.session.id}/objects", content=body
        )
    assert answer.status_code in (400, 413, 415)
    assert server.memory() - before < MEMORY
