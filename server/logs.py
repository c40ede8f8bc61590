"""Logging: one line each on standard error, JSON or for people, and never a secret in it.

Three things keep secrets out: uvicorn's lines that quote request targets and headers are dropped;
values under the names in SECRET_KEYS are blanked; and what looks like a token, a token parameter
or a password in an address is blanked wherever it appears, in tracebacks too.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from server.settings import Settings

BLANK = "[removed]"
SECRET_KEYS = frozenset(
    {
        "authorization",
        "content",
        "cookie",
        "database_url",
        "dsn",
        "headers",
        "jwt_secret",
        "password",
        "payload",
        "query",
        "query_string",
        "secret",
        "token",
        "update",
    }
)

_SECRET_TEXTS = (
    (re.compile(r"eyJ[\w-]*\.[\w-]*\.[\w-]*"), BLANK),  # a JWT: its header always begins so
    (re.compile(r"(?i)\b(bearer[ .])[^\s\"'<>,]+"), rf"\1{BLANK}"),
    (re.compile(r"(?i)\b((?:token|password)=)[^\s\"'&<>]*"), rf"\1{BLANK}"),
    (re.compile(r"(?i)\b(postgres(?:ql)?://[^\s:/@]*:)[^\s@]*@"), rf"\1{BLANK}@"),
)


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Send everything, ours and the libraries', through one handler to `stream` (stderr)."""
    level = getattr(logging, settings.log_level.upper())
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(settings, stream))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    _tame_uvicorn()


def _shared_processors() -> list[Processor]:
    """What happens to our records and to the libraries' alike."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(settings: Settings, stream: TextIO) -> logging.Formatter:
    renderer: Processor
    if not _is_for_people(settings, stream):
        renderer = structlog.processors.JSONRenderer(serializer=_to_json)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared_processors(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,  # tracebacks become text before blanking
            blank_secrets,
            renderer,
        ],
    )


def _is_for_people(settings: Settings, stream: TextIO) -> bool:
    if settings.log_format == "auto":
        return settings.dev and stream.isatty()
    return settings.log_format == "console"


def _to_json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event).decode()


def blank_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that lets no secret through."""
    return {str(key): _blanked(str(key), value) for key, value in event.items()}


def _blanked(key: str, value: Any) -> Any:
    if key.lower() in SECRET_KEYS:
        return BLANK
    match value:
        case dict():
            return {str(name): _blanked(str(name), inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_blanked("", inner) for inner in value]
        case _:
            return _blanked_scalar(value)


def _blanked_scalar(value: object) -> object:
    match value:
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} bytes]"  # frames and updates are somebody's content
        case int() if value.bit_length() > 63:
            return str(value)  # more than the JSON writer takes
        case int() | float() | None:
            return value
        case _:
            return blank_text(str(value))


def blank_text(text: str) -> str:
    """Blank what looks like a token or a password inside a text."""
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written as JSON


_SAID_OTHERWISE = frozenset(
    {
        "connection open",
        "connection closed",
        "Application startup failed. Exiting.",  # and why, is said by whoever started it
    }
)


class _NoRequestLines(logging.Filter):
    """Drops what uvicorn says of single connections.

    At level info it logs the target of every WebSocket handshake, with the query string and so
    with the token; below info the WebSocket library logs request lines and headers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may be printed."""
        if record.levelno < logging.INFO:
            return False
        text = str(record.msg)
        return "WebSocket %s" not in text and text not in _SAID_OTHERWISE


def _tame_uvicorn() -> None:
    """Let uvicorn's loggers use our handler, except for lines about single requests.

    A filter and not a level: uvicorn sets levels of its own when it is configured.
    """
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    errors = logging.getLogger("uvicorn.error")
    errors.filters = [_NoRequestLines()]
    access = logging.getLogger("uvicorn.access")
    access.filters = [lambda _record: False]  # the request log is ours: without query strings
