"""What lookups in PostgreSQL promise beyond the contract: each reads an index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from crdt_docs.object_kinds import ObjectKind
from persistence.object_lookup import ANNOTATIONS_OF, CREATOR, OWNED, ROW, STATE_OF
from persistence.pool import Connection, connect
from tests.helpers.query_plans import plan_nodes

SESSION = UUID(int=1)

# One session with nearly everything: 20,000 annotations of 2,000 objects, three versions each; and
# a room of 20,000 objects, of which 200 belong to ten people.
_FILL = """
    INSERT INTO ocw_annotations (session_id, id, object_id, annotation_type, content, resolved,
        is_valid, search_text, version)
    SELECT lpad(CASE WHEN n % 50 = 0 THEN '2' ELSE '1' END, 32, '0')::uuid, 'a' || n,
        'o' || n % 2000, 'comment', '', false, true, '', 3
    FROM generate_series(1, 20000) AS n;
    INSERT INTO ocw_annotation_history (session_id, object_id, version, previous_state, actor_kind,
        contributors, change_type, update_seq)
    SELECT session_id, id, v, '{}', 'user', '{}', CASE v WHEN 1 THEN 'create' ELSE 'update' END, v
    FROM ocw_annotations, generate_series(1, 3) AS v;
    INSERT INTO xr_objects (room_id, id, object_type, properties, is_interactive, is_locked,
        lifetime, created_by, is_valid, search_text, version)
    SELECT lpad('1', 32, '0')::uuid, 'x' || n, 'model', '{}', false, false,
        CASE WHEN n % 100 = 0 THEN 'owner' ELSE 'room' END,
        lpad((n % 1000)::text, 32, '0')::uuid::text, true, '', 1
    FROM generate_series(1, 20000) AS n;
    ANALYZE ocw_annotations, ocw_annotation_history, xr_objects;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(filled_database: str) -> AsyncIterator[Connection]:
    connection = await connect(filled_database, command_timeout=None)
    await connection.execute(_FILL)
    yield connection
    await connection.close()


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("query", "arguments", "indexes"),
    [
        (ROW[ObjectKind.OCW_ANNOTATION], ("a7",), {"ocw_annotations_pkey"}),
        (CREATOR[ObjectKind.OCW_ANNOTATION], ("a7",), {"ocw_annotation_history_pkey"}),
        (
            STATE_OF[ObjectKind.OCW_ANNOTATION],
            ("a7", 2),
            {"ocw_annotation_history_pkey", "ocw_annotations_pkey"},
        ),
        (ANNOTATIONS_OF, ("o7", "", 51, False), {"ocw_annotations_by_object"}),
        (ANNOTATIONS_OF, ("o7", "a5", 51, True), {"ocw_annotations_by_object"}),
        (OWNED, ([str(UUID(int=0x100)), str(UUID(int=7))],), {"xr_objects_owned"}),
    ],
    ids=["row", "creator", "state", "annotations", "later page", "owned"],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_lookup_reads_an_index(
    filled: Connection, query: str, arguments: tuple[Any, ...], indexes: set[str], mode: str
) -> None:
    await filled.execute(f"SET plan_cache_mode = {mode}")
    explained = await filled.fetchval(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", SESSION, *arguments
    )
    used = plan_nodes(explained)
    assert {node["Index Name"] for node in used if "Index Name" in node} == indexes
    assert not any(node["Node Type"] == "Seq Scan" for node in used)
    read = sum(node["Actual Rows"] * node["Actual Loops"] for node in used if "Index Name" in node)
    assert read < 60
