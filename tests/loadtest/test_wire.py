"""WebSocket as a client speaks it, beside an implementation that others wrote."""

from __future__ import annotations

import pytest
from websockets.frames import Opcode
from websockets.server import ServerProtocol

from loadtest import wire


def accepted(path: str = "/room?token=x") -> tuple[ServerProtocol, bytes]:
    """A server that has accepted the request, and what it answered."""
    server = ServerProtocol()
    server.receive_data(wire.upgrade_request("localhost", 80, path))
    (request,) = server.events_received()
    assert getattr(request, "path", None) == path
    response = server.accept(request)  # type: ignore[arg-type]  # the only event is a request
    server.send_response(response)
    return server, b"".join(server.data_to_send())


def test_the_request_is_accepted_and_the_answer_read_in_any_pieces() -> None:
    _, answer = accepted()
    for size in range(len(answer)):
        assert wire.accepted_at(answer[:size]) == 0
    assert wire.accepted_at(answer + b"\x82\x00") == len(answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: another=\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
def test_whoever_does_not_accept_is_no_websocket(answer: bytes) -> None:
    with pytest.raises(wire.NotAWebSocket, match="answered"):
        wire.accepted_at(answer)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_frames_of_any_size_are_understood(size: int) -> None:
    server, _ = accepted()
    payload = bytes(range(256)) * (size // 256 + 1)
    server.receive_data(wire.frame(payload[:size]))
    (frame,) = server.events_received()
    assert (getattr(frame, "opcode", None), getattr(frame, "data", None)) == (
        Opcode.BINARY,
        payload[:size],
    )


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_the_header_of_a_servers_frame_is_read_when_it_is_all_there(size: int) -> None:
    server, _ = accepted()
    server.send_binary(bytes(size))
    data = b"".join(server.data_to_send())
    begin = len(data) - size
    assert wire.read_header(data, 0) == (begin, size)
    for short in range(begin):
        assert wire.read_header(data[:short], 0) is None


def test_goodbyes_are_understood_on_both_sides() -> None:
    server, _ = accepted()
    server.receive_data(wire.close_frame(1000))
    assert server.close_rcvd is not None
    assert server.close_rcvd.code == 1000
    assert wire.closing(b"\x11\x94gone") == (4500, "gone")
    assert wire.closing(b"") == (1005, "")
