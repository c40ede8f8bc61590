"""Rows of objects that the database may refuse: everything else is stored all the same (HST-7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crdt_docs.object_kinds import ObjectKind
from persistence.object_rows import ObjectWrite, parameters
from persistence.object_tables import store_objects
from persistence.pool import BorrowedConnection
from persistence.refusals import is_row_refusal

# `begun` is only there for the others to follow.
_STORE = f"""
WITH begun AS (SELECT)
{store_objects(tuple(ObjectKind), 1)}
SELECT
"""


async def store_what_is_taken(
    connection: BorrowedConnection, found: Sequence[ObjectWrite], *, within: Callable[[int], float]
) -> int:
    """Write rows and history, within the transaction that stores their log entries.

    What is refused as a whole is halved until the refused objects are alone. Those are stored
    without their content, or not at all.

    Args:
        connection: in a transaction that holds the documents' rows, so that what the tables say of
            their objects is what was there before.
        found: at most one an object.
        within: seconds for a statement of so many bytes.

    Returns:
        How many objects were refused.
    """
    if not found:
        return 0
    if await _store(connection, found, within=within):
        return 0
    if len(found) > 1:
        middle = len(found) // 2
        return await store_what_is_taken(
            connection, found[:middle], within=within
        ) + await store_what_is_taken(connection, found[middle:], within=within)
    await _store(connection, [found[0].blanked()], within=within)
    return 1


async def _store(
    connection: BorrowedConnection, found: Sequence[ObjectWrite], *, within: Callable[[int], float]
) -> bool:
    """Whether they were taken; otherwise nothing of them is written."""
    try:
        encoded = parameters(found)
        async with connection.transaction():  # a savepoint
            await connection.execute(_STORE, *encoded, timeout=within(sum(map(len, encoded))))
    except Exception as error:
        if not is_row_refusal(error):
            raise
        return False
    return True
