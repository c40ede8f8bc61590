"""Logs: readable by machines, and without a secret in them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from server.logs import BLANK, SECRET_KEYS, blank_text, configure_logging
from server.settings import Settings
from tests.server.logging_state import logging_put_back
from tests.server.token_forge import Forge


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Each test finds logging as if nobody had touched it."""
    with logging_put_back():
        yield


class Written:
    """What was logged."""

    def __init__(self, **values: Any) -> None:
        self._stream = io.StringIO()
        configure_logging(Settings.model_validate(values), self._stream)
        self.log = structlog.get_logger("tests.logs")

    @property
    def text(self) -> str:
        """All of it."""
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """One object a line."""
        return [json.loads(line) for line in self.text.splitlines()]


def log_failure(written: Written, message: str) -> None:
    """Log an exception with its traceback."""
    try:
        _fail(message)
    except ValueError:
        written.log.exception("failed")


def _fail(message: str) -> None:
    raise ValueError(message)


# Their form


def test_a_line_is_one_json_object_with_time_level_and_origin() -> None:
    written = Written()
    written.log.info("room opened", document="ocw/1", members=3)
    (line,) = written.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "room opened",
        "level": "info",
        "logger": "tests.logs",
        "document": "ocw/1",
        "members": 3,
    }


def test_libraries_log_in_the_same_form() -> None:
    written = Written()
    logging.getLogger("asyncio").warning("took %.1f seconds", 1.5)
    (line,) = written.lines
    assert (line["event"], line["level"], line["logger"]) == (
        "took 1.5 seconds",
        "warning",
        "asyncio",
    )


def test_what_is_bound_to_the_request_is_in_every_line() -> None:
    written = Written()
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        written.log.info("ours")
        logging.getLogger("somebody").warning("theirs")
    written.log.info("afterwards")
    assert [line.get("request_id") for line in written.lines] == ["r-1", "r-1", None]


def test_the_level_is_that_of_the_settings() -> None:
    written = Written(log_level="warning")
    written.log.info("small talk")
    logging.getLogger("somebody").info("small talk")
    written.log.warning("careful")
    assert [line["event"] for line in written.lines] == ["careful"]


def test_the_console_form_is_for_people() -> None:
    written = Written(log_format="console")
    written.log.info("room opened", members=3, token="geheim")
    assert "room opened" in written.text
    assert "members=3" in written.text
    assert not written.text.startswith("{")
    assert "geheim" not in written.text


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("values", "stream", "is_json"),
    [
        ({"dev": True}, Screen(), False),
        ({"dev": True}, io.StringIO(), True),
        ({}, Screen(), True),
        ({"dev": True, "log_format": "json"}, Screen(), True),
        ({"log_format": "console"}, io.StringIO(), False),
    ],
)
def test_lines_are_for_people_where_a_developer_watches(
    values: dict[str, Any], stream: io.StringIO, *, is_json: bool
) -> None:
    configure_logging(Settings.model_validate(values), stream)
    structlog.get_logger("tests.logs").info("room opened")
    assert stream.getvalue().startswith("{") is is_json
    assert "room opened" in stream.getvalue()


def test_a_traceback_is_part_of_its_line() -> None:
    written = Written()
    log_failure(written, "broken")
    (line,) = written.lines
    assert "ValueError: broken" in line["exception"]


@pytest.mark.parametrize(
    "value", [2**100, -(2**100), float("nan"), "\ud800", {1: {2: 3}}, {"a"}, (1, 2), object, None]
)
def test_every_value_can_be_logged(value: object) -> None:
    written = Written()
    written.log.info("odd", value=value)
    assert len(written.lines) == 1


# What is not in them


@pytest.mark.parametrize("key", sorted(SECRET_KEYS))
def test_values_under_secret_names_are_blanked(key: str) -> None:
    written = Written()
    written.log.info("careless", **{key: "geheim", "more": {key.upper(): ["geheim"]}})
    (line,) = written.lines
    assert line[key] == BLANK
    assert "geheim" not in written.text


def test_bytes_are_shown_as_their_length() -> None:
    written = Written()
    written.log.info("frame", frame=b"geheim", frames=[memoryview(b"geheim"), bytearray(b"x")])
    (line,) = written.lines
    assert line["frame"] == "[6 bytes]"
    assert line["frames"] == ["[6 bytes]", "[1 bytes]"]


def test_tokens_are_blanked_wherever_they_stand() -> None:
    token = Forge().token()
    written = Written()
    written.log.info("/ws?token=%s&ack=1", token, header=f"Bearer {token}", nested=[{"a": token}])
    written.log.info(token, protocols=f"yjs, bearer.{token}")
    logging.getLogger("somebody").warning("got %s", token)
    log_failure(written, f"cannot use {token}")
    for part in token.split("."):
        assert part not in written.text
    assert "ack=1" in written.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/ws?token=abc", f"/ws?token={BLANK}"),
        ("/ws?ack=1&token=abc&x=2", f"/ws?ack=1&token={BLANK}&x=2"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {BLANK}"),
        ("bearer.abc, yjs", f"bearer.{BLANK}, yjs"),
        (
            "postgresql://collab:gehe:im@localhost/x",
            f"postgresql://collab:{BLANK}@localhost/x",
        ),
        ("postgres://u:p@/db?host=/run", f"postgres://u:{BLANK}@/db?host=/run"),
        ("postgresql://localhost/x", "postgresql://localhost/x"),
        ("host=x password=geheim", f"host=x password={BLANK}"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_what_looks_like_a_secret_is_blanked(text: str, shown: str) -> None:
    assert blank_text(text) == shown


@given(st.text(max_size=200))
def test_blanking_never_fails_and_what_it_leaves_can_be_written(text: str) -> None:
    assert json.loads(json.dumps(blank_text(text)).encode()) == blank_text(text)


# uvicorn


class Wire(asyncio.Transport):
    """A transport that swallows what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 9) if name in {"sockname", "peername"} else default

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


HANDSHAKE = (
    b"GET /api/ocw/sessions/1/ws?token=GEHEIM HTTP/1.1\r\n"
    b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: bearer.GEHEIM\r\nAuthorization: Bearer GEHEIM\r\n\r\n"
)


async def shake_hands(answer: dict[str, Any], log_level: str | None) -> bytes:
    """Let uvicorn's real protocol class take a handshake with a token everywhere."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(answer)

    config = Config(
        app, log_config=None, log_level=log_level, access_log=False, ws="websockets-sansio"
    )
    config.load()
    state = ServerState()
    wire = Wire()
    protocol = WebSocketsSansIOProtocol(config, state, {})
    protocol.connection_made(wire)
    protocol.data_received(HANDSHAKE)
    await asyncio.gather(*state.tasks)
    protocol.connection_lost(None)
    return wire.written


ACCEPT = {"type": "websocket.accept", "subprotocol": "bearer.GEHEIM"}
REFUSE = {"type": "websocket.close"}


async def test_uvicorn_would_log_the_token_if_we_let_it() -> None:
    """Without this, the next test would prove nothing."""
    stream = io.StringIO()
    logger = logging.getLogger("uvicorn.error")
    logger.handlers = [logging.StreamHandler(stream)]
    logger.setLevel(logging.INFO)
    await shake_hands(ACCEPT, "info")
    assert "token=GEHEIM" in stream.getvalue()


@pytest.mark.parametrize("ours", ["info", "debug"])
@pytest.mark.parametrize("theirs", [None, "info", "debug", "trace"])
@pytest.mark.parametrize("answer", [ACCEPT, REFUSE], ids=["accepted", "refused"])
async def test_no_log_shows_the_token_of_a_handshake(
    ours: str, theirs: str | None, answer: dict[str, Any]
) -> None:
    written = Written(log_level=ours)
    sent = await shake_hands(answer, theirs)
    assert sent.startswith(b"HTTP/1.1 ")
    assert "GEHEIM" not in written.text
    assert "WebSocket" not in written.text


async def test_what_uvicorn_says_of_itself_is_logged() -> None:
    written = Written()
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 42)
    logging.getLogger("uvicorn.access").info('%s - "%s"', "127.0.0.1", "GET /?token=GEHEIM")
    assert [line["event"] for line in written.lines] == ["Started server process [42]"]
