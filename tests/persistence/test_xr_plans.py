"""What XR in PostgreSQL promises beyond the contract: every list reads an index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from persistence.pool import Connection, connect
from persistence.xr_avatars import DEFAULT_OF, OF_USER
from persistence.xr_members import MEMBERS
from persistence.xr_participants import (
    CLOSE_OPEN,
    EVERYBODY,
    FORGET,
    LEAVE_ALL,
    NOTE,
    OF_PERSON,
    THERE,
)
from persistence.xr_ports import RoomFilter, RoomType
from persistence.xr_rooms import find_query
from persistence.xr_sessions import ALL_TO_EMPTY, OF_ROOM, TO_EMPTY
from tests.helpers.query_plans import plan_nodes

WORKSPACE, OTHER, DATASPACE = UUID(int=7), UUID(int=8), UUID(int=5)
PERSON = UUID(int=42)
SESSION = UUID(int=1)

# 500 workspaces, 1,000 dataspaces, 1,000 creators, three members each, a tenth is public; the
# planner decides by real statistics.
_FILL = """
    CREATE FUNCTION nth(n integer) RETURNS uuid LANGUAGE sql IMMUTABLE
        RETURN lpad(to_hex(n), 32, '0')::uuid;
    INSERT INTO xr_rooms (
        id, workspace_id, name, room_type, room_template, dataspace_id, is_persistent, is_public,
        max_participants, created_by, created_at
    )
    SELECT
        nth(n), nth(n % 500), 'Room', 'meeting', 'custom',
        CASE WHEN n % 2 = 1 THEN nth(n % 1000) END, true, n % 10 = 0, 20, nth(n % 1000),
        timestamptz '2026-01-01' + n * interval '1 minute'
    FROM generate_series(1, 20000) AS n;
    INSERT INTO xr_room_members (room_id, user_id, role, removed_at)
    SELECT
        nth(n), nth((n * 7 + k * 1117) % 5000), 'editor',
        CASE WHEN n % 20 = 0 THEN now() END
    FROM generate_series(1, 20000) AS n, generate_series(1, 3) AS k;
    INSERT INTO xr_room_members (room_id, user_id, role, added_at)
    SELECT nth(1), nth(100000 + n), 'viewer', timestamptz '2026-01-01' + n * interval '1 minute'
    FROM generate_series(1, 5000) AS n;
    INSERT INTO xr_sessions (id, room_id, status, started_at, ended_at, emptied_at)
    SELECT
        nth(n), nth(1 + n / 200), CASE WHEN n % 200 = 0 THEN 'active' ELSE 'ended' END,
        timestamptz '2026-01-01' + n * interval '1 minute',
        CASE WHEN n % 200 <> 0 THEN timestamptz '2026-01-01' + (n + 1) * interval '1 minute' END,
        CASE WHEN n % 200 <> 0 AND n % 500 <> 1 THEN timestamptz '2026-02-01' END
    FROM generate_series(1, 20000) AS n;
    INSERT INTO xr_participants (
        session_id, connection_id, user_id, device_type, joined_at, last_seen_at, left_at
    )
    SELECT
        nth(1 + n / 500), nth(n), nth(n % 1000), 'desktop',
        timestamptz '2026-01-01' + n * interval '1 minute',
        timestamptz '2026-01-01' + n * interval '1 minute',
        CASE WHEN n % 5 <> 0 THEN timestamptz '2026-01-01' + n * interval '1 minute' END
    FROM generate_series(1, 20000) AS n;
    INSERT INTO xr_avatars (id, user_id, avatar_name, avatar_config, is_default, created_at)
    SELECT
        nth(n), nth(n / 200), 'Owl', '{}', n % 200 = 0,
        timestamptz '2026-01-01' + n * interval '1 minute'
    FROM generate_series(1, 20000) AS n;
    ANALYZE xr_rooms, xr_room_members, xr_sessions, xr_participants, xr_avatars;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(filled_database: str) -> AsyncIterator[Connection]:
    connection = await connect(filled_database, command_timeout=None)
    await connection.execute(_FILL)
    yield connection
    await connection.close()


async def plan(
    connection: Connection, mode: str, query: str, *arguments: object
) -> list[dict[str, Any]]:
    """How it is run, also with the generic plan that PostgreSQL turns to for a statement that is
    used again and again."""
    await connection.execute(f"SET plan_cache_mode = {mode}")
    return plan_nodes(
        await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *arguments)
    )


def touched(nodes: list[dict[str, Any]]) -> float:
    """Rows that were read of tables."""
    read = [node for node in nodes if "Relation Name" in node]
    return float(sum(node["Actual Rows"] * node["Actual Loops"] for node in read))


def indexes(nodes: list[dict[str, Any]]) -> set[str]:
    assert not [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"]
    return {node["Index Name"] for node in nodes if "Index Name" in node}


MODES = pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
NEWEST, EARLIER = datetime(9999, 1, 1, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)

OF_A_PERSON = {"xr_rooms_by_creator", "xr_room_members_by_user", "xr_rooms_pkey"}


@pytest.mark.parametrize("after", [NEWEST, EARLIER], ids=["first page", "later page"])
@MODES
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (RoomFilter(), {"xr_rooms_newest"}),
        (RoomFilter(room_type=RoomType.MEETING), {"xr_rooms_newest"}),
        (RoomFilter(workspace_id=WORKSPACE), {"xr_rooms_by_workspace"}),
        (RoomFilter(workspaces=(WORKSPACE, OTHER)), {"xr_rooms_by_workspace"}),
        (RoomFilter(dataspace_id=DATASPACE), {"xr_rooms_by_dataspace"}),
        (
            RoomFilter(readable_by=PERSON, granted=(UUID(int=5),)),
            {*OF_A_PERSON, "xr_rooms_public"},
        ),
        (
            RoomFilter(readable_by=PERSON, workspaces=(WORKSPACE, OTHER)),
            {*OF_A_PERSON, "xr_rooms_by_workspace"},
        ),
        (
            RoomFilter(readable_by=PERSON, dataspace_id=DATASPACE),
            {*OF_A_PERSON, "xr_rooms_by_dataspace"},
        ),
    ],
    ids=["all", "type", "workspace", "workspaces", "dataspace", "mine", "mine in", "mine of"],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_of_rooms_is_read_from_an_index(
    filled: Connection, wanted: RoomFilter, expected: set[str], mode: str, after: datetime
) -> None:
    query, arguments = find_query(wanted, after=(after, UUID(int=0)), limit=51)
    used = await plan(filled, mode, query, *arguments)
    assert indexes(used) - {"xr_room_members_pkey"} == expected
    assert touched(used) < 600


FIRST, LATER = datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC)


@MODES
@pytest.mark.parametrize(
    ("query", "after", "index"),
    [
        (MEMBERS, FIRST, "xr_room_members_by_adding"),
        (MEMBERS, LATER, "xr_room_members_by_adding"),
        (OF_ROOM, NEWEST, "xr_sessions_by_room"),
        (EVERYBODY, FIRST, "xr_participants_by_joining"),
        (EVERYBODY, LATER, "xr_participants_by_joining"),
        (THERE, FIRST, "xr_participants_there"),
        (OF_USER, NEWEST, "xr_avatars_by_user"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_of_others_is_read_from_an_index(
    filled: Connection, query: str, after: datetime, index: str, mode: str
) -> None:
    used = await plan(filled, mode, query, UUID(int=1), after, UUID(int=0), 51)
    assert index in indexes(used)
    assert "Sort" not in {node["Node Type"] for node in used}
    assert touched(used) <= 52


@MODES
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_looked_up_is_read_from_an_index(filled: Connection, mode: str) -> None:
    used = await plan(filled, mode, DEFAULT_OF, UUID(int=42))
    assert indexes(used) == {"xr_avatars_default"}
    for query, last in ((OF_PERSON, 2), (LEAVE_ALL, EARLIER)):
        used = await plan(filled, mode, query, UUID(int=1), UUID(int=5), last)
        assert indexes(used) <= {"xr_participants_by_user", "xr_participants_there"}
        assert touched(used) < 30
    used = await plan(filled, mode, CLOSE_OPEN, datetime(2026, 1, 1, 0, 30, tzinfo=UTC))
    assert indexes(used) == {"xr_participants_there"}
    used = await plan(filled, mode, FORGET, datetime(2026, 1, 1, 0, 30, tzinfo=UTC), 10)
    assert indexes(used) == {"xr_participants_gone", "xr_participants_pkey"}


@MODES
@pytest.mark.asyncio(loop_scope="module")
async def test_rooms_that_are_to_be_emptied_are_read_from_an_index(
    filled: Connection, mode: str
) -> None:
    for query, limit in ((TO_EMPTY, 1), (ALL_TO_EMPTY, 100)):
        used = await plan(filled, mode, query, UUID(int=1), limit)
        assert "xr_sessions_to_empty" in indexes(used)
        assert touched(used) < 200


@MODES
@pytest.mark.asyncio(loop_scope="module")
async def test_where_a_hundred_were_is_noted_by_their_keys(filled: Connection, mode: str) -> None:
    at = datetime(2027, 1, 1, tzinfo=UTC)
    ids = [UUID(int=number) for number in range(1, 101)]
    nothing = [None] * 100
    used = await plan(filled, mode, NOTE, [SESSION] * 100, ids, [at] * 100, nothing, nothing)
    assert indexes(used) == {"xr_participants_connection", "xr_participants_pkey"}
