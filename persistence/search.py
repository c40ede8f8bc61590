"""Full text search in PostgreSQL, French and English.

What somebody may read is found first, and only that is ranked. Snippets are made of the hits of one
page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import asyncpg

from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_fields import TYPE_FIELD
from crdt_docs.object_kinds import KINDS, ObjectRoot
from persistence.object_tables import TABLES
from persistence.pool import DatabasePool
from persistence.ports import Page
from persistence.search_cursors import BEFORE_ALL, ROOTS, decode_place, encode_place, place_of
from persistence.search_ports import MAX_RANKED, Hit, Part, SearchFilter

SNIPPET_CHARACTERS: Final = 8_000
"""From the beginning of a text: words after that are found, but not shown."""

_REPEATED_NOT = re.compile(r'-(?=[^\w"]*-)')
"""What of several `-` in a row is too much: a word is left out or not. PostgreSQL stacks them up,
and fails at 32."""

# $1: the words. Either language may have the stem that fits; the second column is what of them an
# index can look for: nothing of `-word` alone. How many rows fit, and how many a session has,
# decides which index is better to begin with, so the statement that follows in this transaction is
# planned for its values.
_ASKED = """
    SELECT query::text, querytree(query) AS findable,
        set_config('plan_cache_mode', 'force_custom_plan', true), {sessions} AS sessions
    FROM (VALUES (
        websearch_to_tsquery('french', $1) || websearch_to_tsquery('english', $1)
    )) AS asked (query)
"""

# $2: workspaces; $3: one session, or NULL.
_OF_THESE = """
    s.deleted_at IS NULL AND ($2::uuid[] IS NULL OR s.workspace_id = ANY ($2))
    AND ($3::uuid IS NULL OR s.id = $3)
"""

_IN_SESSION = f"ARRAY(SELECT s.id FROM ocw_sessions AS s WHERE s.id = $3 AND {_OF_THESE})"  # noqa: S608 - constants

# A removal outweighs hosting and grants. $4: who; $5: what their token grants.
_READABLE = f"""
    ARRAY(
        SELECT s.id FROM (
            SELECT id FROM ocw_sessions WHERE host_user_id = $4::uuid AND deleted_at IS NULL
            UNION
            SELECT session_id FROM ocw_participants WHERE user_id = $4
            UNION
            SELECT unnest($5::uuid[])
            EXCEPT
            SELECT session_id FROM ocw_participants WHERE user_id = $4 AND removed_at IS NOT NULL
        ) AS readable JOIN ocw_sessions AS s USING (id)
        WHERE {_OF_THESE}
    )
"""  # noqa: S608 - constants

# What bounds a search; $8: the sessions, or the workspaces.
_BY_SESSIONS = "WHERE o.session_id = ANY ($8::uuid[])"
_BY_WORKSPACES = """
    JOIN ocw_sessions AS s ON s.id = o.session_id
    WHERE s.deleted_at IS NULL AND ($8::uuid[] IS NULL OR s.workspace_id = ANY ($8))
"""

_TABLES = {kind.root: TABLES[kind] for kind in KINDS[DocumentKind.OCW]}
_TYPES = {kind.root: TYPE_FIELD[kind] for kind in KINDS[DocumentKind.OCW]}


def _found(root: ObjectRoot, bounds: str) -> str:
    """What fits in a table, ranked. $1: the query."""
    return f"""
        (SELECT ts_rank(o.search, $1::text::tsquery, 1)::float8 AS rank, o.updated_at,
            o.session_id, {ROOTS.index(root)} AS root, o.id
        FROM {_TABLES[root].name} AS o {bounds}
            AND o.search @@ $1::text::tsquery AND o.search IS NOT NULL AND o.deleted_at IS NULL
        LIMIT {MAX_RANKED})"""  # noqa: S608 - constants


def _shown(root: ObjectRoot) -> str:
    """What of a hit is shown."""
    about = "o.object_id" if root is ObjectRoot.ANNOTATIONS else "NULL"
    return f"""
        SELECT o.{_TYPES[root]} AS type, {about} AS object_id, o.position,
            translate(left(o.search_text, {SNIPPET_CHARACTERS}), E'\\x02\\x03', '') AS text
        FROM {_TABLES[root].name} AS o
        WHERE hit.root = {ROOTS.index(root)} AND o.session_id = hit.session_id
            AND o.id = hit.id"""  # noqa: S608 - constants


_MARKED = "StartSel=\x02, StopSel=\x03, MaxWords=30, MinWords=10, ShortWord=2"


def _headline(language: str) -> str:
    return f"ts_headline('{language}', shown.text, $1::text::tsquery, '{_MARKED}')"


def _find(roots: Sequence[ObjectRoot], bounds: str) -> str:
    found = " UNION ALL ".join(_found(root, bounds) for root in roots)
    return f"""
        WITH hit AS MATERIALIZED (
            SELECT * FROM ({found}) AS found
            WHERE (rank, updated_at, session_id, root, id) < ($2, $3, $4, $5, $6::text)
            ORDER BY rank DESC, updated_at DESC, session_id DESC, root DESC, id DESC LIMIT $7
        )
        SELECT hit.*, shown.type, shown.object_id, shown.position, snippet.french,
            CASE WHEN position(E'\\x02' IN snippet.french) = 0 THEN {_headline("english")}
            END AS english
        FROM hit
        CROSS JOIN LATERAL ({" UNION ALL ".join(_shown(root) for root in roots)}) AS shown
        CROSS JOIN LATERAL (SELECT {_headline("french")}) AS snippet (french)
        ORDER BY rank DESC, updated_at DESC, session_id DESC, root DESC, hit.id DESC
    """  # noqa: S608 - constants


def asked_query(wanted: SearchFilter) -> tuple[str, Sequence[object]]:
    """The statement that reads the words, and finds the sessions if they bound the search."""
    words = _REPEATED_NOT.sub("", wanted.text)
    if wanted.readable_by is not None:
        where = (wanted.workspaces, wanted.session_id, wanted.readable_by, wanted.granted)
        return _ASKED.format(sessions=_READABLE), (words, *where)
    if wanted.session_id is not None:
        query = _ASKED.format(sessions=_IN_SESSION)
        return query, (words, wanted.workspaces, wanted.session_id)
    return _ASKED.format(sessions="NULL::uuid[]"), (words,)


def find_query(wanted: SearchFilter) -> str:
    """The statement for a search, bounded by sessions or by workspaces."""
    roots = ROOTS if wanted.root is None else (wanted.root,)
    is_by_sessions = wanted.readable_by is not None or wanted.session_id is not None
    return _find(roots, _BY_SESSIONS if is_by_sessions else _BY_WORKSPACES)


class PostgresSearch:
    """`search_ports.Search` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def find(
        self, wanted: SearchFilter, *, limit: int = 20, cursor: str | None = None
    ) -> Page[Hit]:
        """See `search_ports.Search.find`."""
        after = BEFORE_ALL if cursor is None else decode_place(cursor, wanted.text)
        query, arguments = asked_query(wanted)
        async with self._pool.borrow() as connection, connection.transaction(readonly=True):
            asked = await connection.fetchrow(query, *arguments)
            if asked is None or asked["findable"] in ("", "T"):
                return Page(())
            bounds = wanted.workspaces if asked["sessions"] is None else asked["sessions"]
            rows = await connection.fetch(  # one more tells whether there is another page
                find_query(wanted), asked["query"], *after, limit + 1, bounds
            )
        items = tuple(_hit(row) for row in rows[:limit])
        if len(rows) <= limit or not items:
            return Page(items)
        return Page(items, encode_place(place_of(items[-1]), wanted.text))


def _hit(row: asyncpg.Record) -> Hit:
    return Hit(
        root=ROOTS[row["root"]],
        session_id=row["session_id"],
        id=row["id"],
        type=row["type"],
        object_id=row["object_id"],
        position=row["position"],
        snippet=parts_of(row["english"] or row["french"]),
        rank=row["rank"],
        updated_at=row["updated_at"],
    )


_MARK = re.compile("\x02([^\x03]*)\x03")


def parts_of(marked: str) -> tuple[Part, ...]:
    """A headline as what is a match in it and what is not."""
    pieces = _MARK.split(marked)
    parts = (Part(text, is_match=i % 2 == 1) for i, text in enumerate(pieces))
    return tuple(part for part in parts if part.text)
