"""Which errors are the database's verdict about content: sending it again cannot help."""

from __future__ import annotations

import asyncpg

_REFUSED_CLASSES = frozenset({"22", "23", "54"})  # data, integrity, program limits
_RAISED = "P0"  # by a trigger


def is_refusal(error: BaseException) -> bool:
    """Whether the database, or the driver before sending, does not take what it was given."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _REFUSED_CLASSES
    return isinstance(error, ValueError)  # as the driver's own errors about values are


def is_row_refusal(error: BaseException) -> bool:
    """The same for rows of objects, on whose tables a platform may have put triggers."""
    if isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] == _RAISED:
        return True
    return is_refusal(error)
