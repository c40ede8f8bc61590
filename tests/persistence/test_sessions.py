"""What sessions in PostgreSQL promise beyond the contract: every list reads an index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from persistence.pool import Connection, connect
from persistence.ports import SessionFilter, SessionStatus
from persistence.session_standings import READ, arguments
from persistence.sessions import PEOPLE, find_query
from tests.helpers.query_plans import plan_nodes

ROWS = 20_000
WORKSPACE, OTHER = UUID(int=7), UUID(int=8)
PERSON = UUID(int=42)

# 500 workspaces, 1,000 hosts, three participants each; the planner decides by real statistics.
_FILL = f"""
    INSERT INTO ocw_sessions (
        id, workspace_id, session_type, host_user_id, max_participants, started_at
    )
    SELECT
        lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 500), 32, '0')::uuid, 'whiteboard',
        lpad(to_hex(n % 1000), 32, '0')::uuid, 50,
        timestamptz '2026-01-01' + n * interval '1 minute'
    FROM generate_series(1, {ROWS}) AS n;
    INSERT INTO ocw_participants (session_id, user_id, role)
    SELECT
        lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex((n * 7 + k * 1117) % 5000), 32, '0')::uuid,
        'editor'
    FROM generate_series(1, {ROWS}) AS n, generate_series(1, 3) AS k;
    INSERT INTO ocw_participants (session_id, user_id, role, joined_at)
    SELECT
        lpad('1', 32, '0')::uuid, lpad(to_hex(100000 + n), 32, '0')::uuid, 'viewer',
        timestamptz '2026-01-01' + n * interval '1 minute'
    FROM generate_series(1, 5000) AS n;
    ANALYZE ocw_sessions, ocw_participants;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(filled_database: str) -> AsyncIterator[Connection]:
    connection = await connect(filled_database, command_timeout=None)
    await connection.execute(_FILL)
    yield connection
    await connection.close()


async def plan(
    connection: Connection, wanted: SessionFilter, *, after: datetime
) -> list[dict[str, Any]]:
    query, arguments = find_query(wanted)
    status = wanted.status and wanted.status.value
    answer = await connection.fetchval(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", None, status, after, UUID(int=0), 51, *arguments
    )
    return plan_nodes(answer)


FIRST_PAGE = datetime(9999, 1, 1, tzinfo=UTC)
LATER_PAGE = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize("after", [FIRST_PAGE, LATER_PAGE], ids=["first page", "later page"])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("wanted", "indexes"),
    [
        (SessionFilter(), {"ocw_sessions_newest"}),
        (SessionFilter(status=SessionStatus.ACTIVE), {"ocw_sessions_newest"}),
        (SessionFilter(workspace_id=WORKSPACE), {"ocw_sessions_by_workspace"}),
        (SessionFilter(workspaces=(WORKSPACE, OTHER)), {"ocw_sessions_by_workspace"}),
        (
            SessionFilter(readable_by=PERSON, granted=(UUID(int=5),)),
            {"ocw_sessions_by_host", "ocw_participants_by_user", "ocw_sessions_pkey"},
        ),
    ],
    ids=["all", "status", "workspace", "workspaces", "readable"],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_is_read_from_an_index(
    filled: Connection, wanted: SessionFilter, indexes: set[str], mode: str, after: datetime
) -> None:
    """Also with the generic plan that PostgreSQL turns to for a statement used again and again."""
    await filled.execute(f"SET plan_cache_mode = {mode}")
    used = await plan(filled, wanted, after=after)
    scans = {node["Relation Name"] for node in used if node["Node Type"] == "Seq Scan"}
    assert scans == set()
    assert {node["Index Name"] for node in used if "Index Name" in node} == indexes
    touched = sum(
        node["Actual Rows"] * node["Actual Loops"] for node in used if "Relation Name" in node
    )
    assert touched < 400


@pytest.mark.parametrize("after", [datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_of_people_is_read_from_an_index(
    filled: Connection, mode: str, after: datetime
) -> None:
    await filled.execute(f"SET plan_cache_mode = {mode}")
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {PEOPLE}"
    answer = await filled.fetchval(explain, UUID(int=1), after, UUID(int=0), 51)
    used = plan_nodes(answer)
    assert [node["Node Type"] for node in used] == ["Limit", "Index Scan"]
    assert used[1]["Index Name"] == "ocw_participants_by_joining"
    assert used[1]["Actual Rows"] == 51


async def test_the_tables_check_what_they_hold(database: str) -> None:
    connection = await connect(database)
    insert = (
        "INSERT INTO ocw_sessions (id, workspace_id, session_type, host_user_id, status, config, "
        "max_participants, ended_at) VALUES (gen_random_uuid(), gen_random_uuid(), $1, "
        "gen_random_uuid(), $2, $3::text::jsonb, $4, $5)"
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await connection.execute(insert, "cockpit", "ended", "{}", 1, at)
    for values in [
        ("disco", "active", "{}", 1, None),
        ("cockpit", "resting", "{}", 1, None),
        ("cockpit", "active", "[]", 1, None),
        ("cockpit", "active", "{}", 0, None),
        ("cockpit", "ended", "{}", 1, None),
        ("cockpit", "active", "{}", 1, at),
    ]:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(insert, *values)
    await connection.close()


@pytest.mark.parametrize("asked", [1, 100])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.asyncio(loop_scope="module")
async def test_who_may_come_in_is_read_from_indexes(
    filled: Connection, mode: str, asked: int
) -> None:
    await filled.execute(f"SET plan_cache_mode = {mode}")
    wanted = [(UUID(int=1), UUID(int=0x100000 + number)) for number in range(asked)]
    answer = await filled.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {READ}", *arguments(wanted))
    used = plan_nodes(answer)
    assert not any(node["Node Type"] == "Seq Scan" for node in used)
    touched = [node for node in used if "Relation Name" in node]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in touched) <= 1 + asked


@pytest.mark.asyncio(loop_scope="module")
async def test_a_session_is_read_once_however_many_ask_about_it(filled: Connection) -> None:
    wanted = [(UUID(int=1), PERSON), (UUID(int=2), PERSON), (UUID(int=1), UUID(int=43))]
    rows = await filled.fetch(READ, *arguments(wanted))
    assert [row["id"] for row in rows] == [UUID(int=1), UUID(int=2), None]
