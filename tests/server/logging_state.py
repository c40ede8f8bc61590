"""Logging is global: this puts it back to how it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

UVICORN_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access")


@contextmanager
def logging_put_back() -> Iterator[None]:
    """Whatever is configured inside is undone afterwards."""
    loggers = [logging.getLogger(), *map(logging.getLogger, UVICORN_LOGGERS)]
    before = [(log, log.handlers, log.filters, log.level, log.propagate) for log in loggers]
    for log in loggers[1:]:
        log.setLevel(logging.NOTSET)  # another test may have left uvicorn's own configuration
    structlog.reset_defaults()
    try:
        yield
    finally:
        for log, handlers, filters, level, propagate in before:
            log.handlers, log.filters, log.propagate = handlers, filters, propagate
            log.setLevel(level)
        structlog.reset_defaults()
