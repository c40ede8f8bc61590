"""Full text search over much: rare words and frequent ones, for services and for people."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from uuid import UUID

from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from persistence.embedded_postgres import EmbeddedPostgres
from persistence.migrations import migrate
from persistence.pool import DatabasePool
from persistence.search import PostgresSearch
from persistence.search_ports import SearchFilter

REPEATS = 15
LARGE = UUID(int=1)
"""The session that holds half of the objects, and who hosts it."""

_SESSIONS = """
    INSERT INTO ocw_sessions (
        id, workspace_id, session_type, host_user_id, max_participants, started_at
    )
    SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 50), 32, '0')::uuid, 'whiteboard',
        lpad(to_hex(n % 100), 32, '0')::uuid, 50, now()
    FROM generate_series(1, 1000) AS n
"""

# "meeting" in every object, "livraisons" in one of ten and in every annotation, "zebra" in one of
# a thousand.
_OBJECTS = """
    INSERT INTO ocw_objects (session_id, id, object_type, position, properties, is_locked,
        is_valid, search_text, version, updated_at)
    SELECT lpad(to_hex(CASE WHEN n % 2 = 0 THEN 1 ELSE n % 1000 + 1 END), 32, '0')::uuid, 'o' || n,
        'sticky', '{"x": 1, "y": 2}', '{}', false, true,
        'réunion budget ' || CASE WHEN n % 10 = 0 THEN 'livraisons ' ELSE '' END
            || CASE WHEN n % 1000 = 0 THEN 'zebra ' ELSE '' END || md5(n::text)
            || ' les grandes décisions of the meeting ' || md5((n * 7)::text) || ' note ' || n,
        1, now() - n * interval '1 second'
    FROM generate_series(1, $1::integer) AS n
"""
_ANNOTATIONS = """
    INSERT INTO ocw_annotations (session_id, id, annotation_type, content, resolved, is_valid,
        search_text, version, object_id)
    SELECT lpad(to_hex(n % 1000 + 1), 32, '0')::uuid, 'a' || n, 'comment', '', false, true,
        'je pense que les livraisons ' || md5(n::text), 1, 'o' || n
    FROM generate_series(1, $1::integer) AS n
"""

_WORDS = (("a rare word", "zebra"), ("a word of one in ten", "livraison"), ("all", "meeting"))


def measure(scale: Scale) -> Iterator[Row]:
    """From a database of its own; each search with the snippets of 20 hits."""
    directory = Path(tempfile.mkdtemp(prefix="collab-bench-"))
    server = EmbeddedPostgres(directory)
    server.start()
    try:
        yield from asyncio.run(_measured(server.dsn(), scale.pick(90_000, 2_000)))
    finally:
        server.stop()
        shutil.rmtree(directory)


async def _measured(dsn: str, objects: int) -> list[Row]:
    await migrate(dsn)
    pool = await DatabasePool.open(dsn)
    try:
        await _fill(pool, objects)
        search = PostgresSearch(pool)
        return [
            await _row(search, f"{objects + objects // 9:,} texts, {who}: {title}", wanted)
            for title, word in _WORDS
            for who, wanted in (
                ("a service", SearchFilter(word)),
                ("a person in ten sessions", SearchFilter(word, readable_by=UUID(int=42))),
                ("the host of half of them", SearchFilter(word, readable_by=LARGE)),
                ("in the session with half of them", SearchFilter(word, session_id=LARGE)),
            )
        ]
    finally:
        await pool.close()


async def _fill(pool: DatabasePool, objects: int) -> None:
    async with pool.borrow() as connection:
        await connection.execute(_SESSIONS)
        await connection.execute(_OBJECTS, objects, timeout=300)
        await connection.execute(_ANNOTATIONS, objects // 9, timeout=300)
        for table in ("ocw_sessions", "ocw_objects", "ocw_annotations"):
            await connection.execute(f"VACUUM ANALYZE {table}", timeout=300)


async def _row(search: PostgresSearch, name: str, wanted: SearchFilter) -> Row:
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        await search.find(wanted, limit=20)
        times.append((time.perf_counter() - begin) * 1e3)
    details = {"worst_ms": max(times), "times_ms": times}
    return Row(name, median(times), "ms", at_most(50), f"worst {max(times):.0f} ms", details)
