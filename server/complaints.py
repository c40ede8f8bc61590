"""What keeps a server from starting, in one line for whoever starts it, without secrets."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qs, urlsplit

from persistence.errors import DatabaseUnusable, StorageUnavailable
from server.logs import blank_text
from server.settings import Settings

_ERRNO = re.compile(r"\[Errno -?\d+\] ")


def complaint(fault: BaseException, settings: Settings) -> str:
    """What is wrong, and what to do about it where the fault does not say so itself."""
    reason = reason_of(fault)
    if settings.database_url is None:
        return reason
    where = _place_of(settings.database_url)
    match fault:
        case StorageUnavailable():
            return (
                f"the database {where} cannot be reached ({reason}): start PostgreSQL there, "
                "or correct --database-url (COLLAB_DATABASE_URL)"
            )
        case DatabaseUnusable():
            return (
                f"the database {where} cannot be used ({reason}): correct --database-url "
                "(COLLAB_DATABASE_URL), or what its user may do"
            )
        case _:
            return reason


def reason_of(fault: BaseException) -> str:
    """A fault in one line."""
    text = " ".join(blank_text(_ERRNO.sub("", _words_of(fault))).split())
    return text or type(fault).__name__


def _words_of(fault: BaseException) -> str:
    """The system's own words where there are some: asyncio's begin with "Connect call failed"."""
    cause = fault.__cause__ if isinstance(fault, StorageUnavailable) else fault
    if not isinstance(cause, OSError) or not cause.errno:
        return str(fault)
    # Those of name resolution are negative, and not in the system's list.
    words = os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
    return words if cause.filename is None else f"{words}: {cause.filename}"


def _place_of(url: str) -> str:
    """Where a database is, without user and password: `db.example:5432/collab`."""
    parts = urlsplit(url)
    sockets = parse_qs(parts.query).get("host", [])
    hosts = parts.netloc.rpartition("@")[2] or ",".join(sockets)
    return f"{hosts}{parts.path}"
