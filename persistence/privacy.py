"""Persons across all tables of PostgreSQL: what is held about them, and forgetting it (PRV)."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID, uuid4

from crdt_docs.identifiers import DocumentKind, DocumentName, document_name, id_of, kind_of
from crdt_docs.object_kinds import ObjectKind
from persistence.audit_log import add_entries
from persistence.audit_ports import AuditEntry
from persistence.object_rows import session_of
from persistence.object_tables import TABLES, tables_of
from persistence.personal_columns import Fate, fated
from persistence.pool import BorrowedConnection, DatabasePool, rows_changed
from persistence.privacy_ports import MOST_MENTIONS, Counts, HeldRow
from persistence.xr_ports import room_of

PATIENCE = 600.0
"""Seconds for one statement: there is no index by person on what is written at every edit."""

ROWS_AT_ONCE = 200

_PATIENTLY = "SET LOCAL statement_timeout = '15min'"

_BY_DOCUMENT: Final = ("document_authors", "document_snapshots", "document_updates")


def _named(table: str, user: str = "$1") -> str:
    """The condition that a row names somebody, by an id of ours."""
    ids = [f"{column} = {user}::uuid" for column in fated(table, Fate.ALIAS)]
    many = [f"{user}::uuid = ANY ({column})" for column in fated(table, Fate.ALIASES)]
    return " OR ".join([*ids, *many])


def _named_in(document: DocumentKind) -> str:
    """Whose the rows of objects and of their history are that name somebody."""
    return " UNION ".join(
        f"SELECT {owner} FROM {table} WHERE {_named(table)}"  # noqa: S608 - constants
        for table, owner in tables_of(document)
    )


_DOCUMENTS = f"""
    SELECT name FROM documents WHERE id IN (
        {
    " UNION ".join(
        f"SELECT document_id FROM {table} WHERE {_named(table)}" for table in _BY_DOCUMENT
    )
}
    )
"""  # noqa: S608 - constants


def _mentioned(text: str) -> str:
    """The condition that a text has somebody's id anywhere, however it is spelt."""
    return f'strpos(lower(({text}) COLLATE "C"), $1::uuid::text) > 0'


# The same with an alias in the id's place.
_RENAMED_CONFIG = "regexp_replace(config::text, $1::uuid::text, $2::uuid::text, 'gi')::jsonb"

# What is told of a person, and what is forgotten, is found by the same conditions.
_IN_SESSION = f"host_user_id = $1::uuid OR {_mentioned('config::text')}"
_IN_ROOM = f"created_by = $1::uuid OR {_mentioned('config::text')}"

# An answer may name somebody that did not ask for it.
_IN_ANSWER = f"""
    caller_id = $1::uuid OR {_mentioned("headers::text")}
    OR {_mentioned("encode(body, 'escape')")}
"""

_SESSIONS = f"""
    SELECT id FROM ocw_sessions WHERE {_IN_SESSION}
    UNION {_named_in(DocumentKind.OCW)}
"""  # noqa: S608 - constants

_SESSION = f"""
    UPDATE ocw_sessions
    SET host_user_id = CASE WHEN host_user_id = $1::uuid THEN $2::uuid ELSE host_user_id END,
        config = {_RENAMED_CONFIG}
    WHERE id = $3::uuid AND ({_IN_SESSION})
"""  # noqa: S608 - constants

_ROOMS = f"""
    SELECT id FROM xr_rooms WHERE {_IN_ROOM}
    UNION {_named_in(DocumentKind.XR)}
"""  # noqa: S608 - constants

_ROOM = f"""
    UPDATE xr_rooms
    SET created_by = CASE WHEN created_by = $1::uuid THEN $2::uuid ELSE created_by END,
        config = {_RENAMED_CONFIG}
    WHERE id = $3::uuid AND ({_IN_ROOM})
"""  # noqa: S608 - constants


def _renaming(table: str, key: str) -> str:
    """Puts the alias $2 in the place of $1, in rows whose `key` is $3."""
    changes = [
        f"{column} = CASE WHEN {column} = $1::uuid THEN $2::uuid ELSE {column} END"
        for column in fated(table, Fate.ALIAS)
    ]
    changes += [
        f"{column} = array_replace({column}, $1::uuid, $2::uuid)"
        for column in fated(table, Fate.ALIASES)
    ]
    return f"UPDATE {table} SET {', '.join(changes)} WHERE {key} = $3 AND ({_named(table)})"  # noqa: S608 - constants


_REMOVALS: Final[Mapping[str, str]] = {
    "kept_answers": f"DELETE FROM kept_answers WHERE {_IN_ANSWER}",  # noqa: S608 - constants
    "ocw_participants": "DELETE FROM ocw_participants WHERE user_id = $1 OR agent_id = $1",
    "token_families": "DELETE FROM token_families WHERE user_id = $1",
    "user_sessions": "DELETE FROM user_sessions WHERE user_id = $1",
    "xr_avatars": "DELETE FROM xr_avatars WHERE user_id = $1",
    "xr_participants": "DELETE FROM xr_participants WHERE user_id = $1",
    "xr_room_members": "DELETE FROM xr_room_members WHERE user_id = $1",
    "audit_subjects": "DELETE FROM audit_subjects WHERE user_id = $1",
}

_MINTED = "UPDATE token_families SET minted_by = $2 WHERE minted_by = $1"


def _all_of(columns: Iterable[str]) -> str:
    return f"concat_ws(' ', {', '.join(columns)})"


def _mentions(kind: ObjectKind) -> str:
    """In what people wrote: columns of rows, and states in the history."""
    table = TABLES[kind]
    columns = ("id", *table.columns, *(["agent_id"] if table.by_agents else []))
    written = ((table.name, columns), (table.history, ("object_id", "previous_state")))
    return " UNION ".join(
        f"SELECT '{kind.document}/' || {table.owner} AS name FROM {name} "  # noqa: S608 - constants
        f"WHERE {_mentioned(_all_of(texts))}"
        for name, texts in written
    )


_LABELS = f"""
    SELECT name FROM documents JOIN document_snapshots AS named ON named.document_id = documents.id
    WHERE {_mentioned("named.label")}
"""  # noqa: S608 - constants

_LOOKS = f"""
    SELECT '{DocumentKind.XR}/' || id AS name FROM xr_rooms
    WHERE {_mentioned(_all_of(("name", "dimensions", "environment_config")))}
"""  # noqa: S608 - constants

_MENTIONS = " UNION ".join((*map(_mentions, ObjectKind), _LABELS, _LOOKS))

# Of the trail, what somebody did, or had done to them.
_TRAIL = """
    pseudonym.pseudonym IN (held.actor, held.via, held.identity_id)
    OR held.target = 'user/' || pseudonym.pseudonym
    OR strpos(held.details::text, pseudonym.pseudonym::text) > 0
"""

_UNREADABLE = frozenset({"fingerprint", "request", "body", "search"})
_NAMES = frozenset({"id", "object_id"})  # of what somebody changed

_COLUMNS_OF = """
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position
"""


class PostgresPrivacyStore:
    """`privacy_ports.PrivacyStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def documents_of(self, user_id: UUID) -> Sequence[DocumentName]:
        """See `privacy_ports.PrivacyStore.documents_of`."""
        async with self._pool.borrow() as connection, connection.transaction():
            await connection.execute(_PATIENTLY)
            documents = await connection.fetch(_DOCUMENTS, user_id, timeout=PATIENCE)
            sessions = await connection.fetch(_SESSIONS, user_id, timeout=PATIENCE)
            rooms = await connection.fetch(_ROOMS, user_id, timeout=PATIENCE)
        names = {DocumentName(row["name"]) for row in documents}
        names.update(document_name(DocumentKind.OCW, row["id"]) for row in sessions)
        names.update(document_name(DocumentKind.XR, row["id"]) for row in rooms)
        return sorted(names)

    async def forget_in(self, document: DocumentName, user_id: UUID) -> Counts:
        """See `privacy_ports.PrivacyStore.forget_in`."""
        counts: Counter[str] = Counter()
        async with self._pool.borrow() as connection, connection.transaction():
            await connection.execute(_PATIENTLY)
            document_id = await _number_of(connection, document)
            alias = uuid4()
            for table, statement, key in _changes(document, document_id):
                done = await connection.execute(statement, user_id, alias, key, timeout=PATIENCE)
                counts[table] += rows_changed(done)
        return +counts

    async def forget(self, user_id: UUID, entry: AuditEntry) -> Counts:
        """See `privacy_ports.PrivacyStore.forget`."""
        counts: Counter[str] = Counter()
        async with self._pool.borrow() as connection, connection.transaction():
            await connection.execute(_PATIENTLY)
            await add_entries(connection, [entry])
            done = await connection.execute(_MINTED, user_id, uuid4())
            counts["token_families"] += rows_changed(done)
            for table, statement in _REMOVALS.items():
                done = await connection.execute(statement, user_id, timeout=PATIENCE)
                counts[table] += rows_changed(done)
        return +counts

    async def mentions(self, user_id: UUID) -> Sequence[DocumentName]:
        """See `privacy_ports.PrivacyStore.mentions`."""
        query = f"SELECT name FROM ({_MENTIONS}) AS found ORDER BY name LIMIT {MOST_MENTIONS}"  # noqa: S608 - constants
        async with self._pool.borrow() as connection, connection.transaction():
            await connection.execute(_PATIENTLY)
            rows = await connection.fetch(query, user_id, timeout=PATIENCE)
        return [DocumentName(row["name"]) for row in rows]

    async def held(self, user_id: UUID) -> AsyncGenerator[HeldRow]:
        """See `privacy_ports.PrivacyStore.held`."""
        async with (
            self._pool.borrow() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute(_PATIENTLY)
            for table, source, condition in _sources():
                columns = await _told_columns(connection, table)
                query = f"SELECT {columns} FROM {source} WHERE {condition}"  # noqa: S608 - constants
                cursor = connection.cursor(query, user_id, prefetch=ROWS_AT_ONCE, timeout=PATIENCE)
                async for row in cursor:
                    yield HeldRow(table, dict(row))


async def _number_of(connection: BorrowedConnection, document: DocumentName) -> int | None:
    """What the rows of a document's log are found by; nothing is stored in it meanwhile."""
    number: int | None = await connection.fetchval(
        "SELECT id FROM documents WHERE name = $1 FOR UPDATE", document
    )
    return number


def _changes(
    document: DocumentName, document_id: int | None
) -> Iterator[tuple[str, str, int | UUID]]:
    """By table: the statements that put an alias into a document, and what $3 is in them."""
    if document_id is not None:
        for table in _BY_DOCUMENT:
            yield table, _renaming(table, "document_id"), document_id
    for table, owner in tables_of(kind_of(document)):
        yield table, _renaming(table, owner), id_of(document)
    session_id = session_of(document)
    if session_id is not None:
        yield "ocw_sessions", _SESSION, session_id
    room_id = room_of(document)
    if room_id is not None:
        yield "xr_rooms", _ROOM, room_id


def _sources() -> Iterator[tuple[str, str, str]]:
    """Tables that tell of persons, what to read of them, and which rows."""
    yield from (
        ("ocw_participants", "ocw_participants AS held", "user_id = $1 OR agent_id = $1"),
        ("ocw_sessions", "ocw_sessions AS held", _IN_SESSION),
        ("user_sessions", "user_sessions AS held", "user_id = $1"),
        ("xr_rooms", "xr_rooms AS held", _IN_ROOM),
        ("xr_room_members", "xr_room_members AS held", "user_id = $1"),
        ("xr_participants", "xr_participants AS held", "user_id = $1"),
        ("xr_avatars", "xr_avatars AS held", "user_id = $1"),
        ("token_families", "token_families AS held", "user_id = $1 OR minted_by = $1"),
        ("kept_answers", "kept_answers AS held", _IN_ANSWER),
        ("revoked_tokens", "revoked_tokens AS held", "key = $1::uuid::text"),
        ("audit_subjects", "audit_subjects AS held", "user_id = $1"),
        (
            "audit_log",
            "audit_log AS held JOIN audit_subjects AS pseudonym ON pseudonym.user_id = $1",
            _TRAIL,
        ),
    )
    of_objects = [table for document in DocumentKind for table, _ in tables_of(document)]
    for table in (*_BY_DOCUMENT, *of_objects):
        yield table, f"{table} AS held", _named(table)


async def _told_columns(connection: BorrowedConnection, table: str) -> str:
    """All columns but what people wrote, and what only machines can read."""
    rows = await connection.fetch(_COLUMNS_OF, table)
    hidden = {*fated(table, Fate.CONTENT), *_UNREADABLE} - _NAMES
    told = [row["column_name"] for row in rows if row["column_name"] not in hidden]
    return ", ".join(f'held."{column}"' for column in told)
