"""What search in PostgreSQL promises beyond the contract: languages, snippets, and an index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
import pytest_asyncio

from persistence.pool import Connection, DatabasePool, connect
from persistence.search import SNIPPET_CHARACTERS, PostgresSearch, asked_query, find_query, parts_of
from persistence.search_cursors import BEFORE_ALL, Place
from persistence.search_ports import MAX_RANKED, Part, SearchFilter
from tests.helpers.query_plans import plan_nodes

ROWS = 40_000
SESSION = UUID(int=1)

# A thousand sessions; one of them holds half of the objects. One text in 500 has a zebra.
_FILL = f"""
    INSERT INTO ocw_sessions (
        id, workspace_id, session_type, host_user_id, max_participants, started_at
    )
    SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 50), 32, '0')::uuid, 'whiteboard',
        lpad(to_hex(n % 20), 32, '0')::uuid, 50, now()
    FROM generate_series(1, 1000) AS n;
    INSERT INTO ocw_participants (session_id, user_id, role)
    VALUES (lpad('9', 32, '0')::uuid, lpad('3f2', 32, '0')::uuid, 'viewer');
    INSERT INTO ocw_objects (session_id, id, object_type, properties, is_locked, is_valid,
        search_text, version)
    SELECT lpad(to_hex(CASE WHEN n % 2 = 0 THEN 1 ELSE n % 1000 + 1 END), 32, '0')::uuid,
        'o' || n, 'sticky', '{{}}', false, true,
        'meeting ' || md5(n::text) || CASE WHEN n % 500 < 2 THEN ' zebra' ELSE '' END, 1
    FROM generate_series(1, {ROWS}) AS n;
    INSERT INTO ocw_annotations (session_id, id, annotation_type, content, resolved, is_valid,
        search_text, version)
    SELECT session_id, id, 'comment', search_text, false, true, search_text, 1 FROM ocw_objects;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(filled_database: str) -> AsyncIterator[Connection]:
    connection = await connect(filled_database, command_timeout=None)
    await connection.execute(_FILL)
    # Not only for statistics: what was inserted at once waits beside the index until then.
    await connection.execute("VACUUM ANALYZE")
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "wanted",
    [
        SearchFilter("zebra"),
        SearchFilter("zebra", workspaces=(UUID(int=7), UUID(int=8))),
        SearchFilter("zebra", readable_by=UUID(int=1), granted=(UUID(int=5),)),
        SearchFilter("zebra", session_id=SESSION),
    ],
    ids=["all", "workspaces", "host of the large one", "session"],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_an_index_finds_the_words(filled: Connection, wanted: SearchFilter) -> None:
    scanned, indexes = await plan(filled, wanted)
    assert scanned <= {"ocw_sessions", "ocw_participants"}
    assert {"ocw_objects_search", "ocw_annotations_search"} <= indexes


@pytest.mark.asyncio(loop_scope="module")
async def test_little_that_somebody_may_read_is_read_by_session(filled: Connection) -> None:
    scanned, indexes = await plan(filled, SearchFilter("meeting", readable_by=UUID(int=1010)))
    assert scanned <= {"ocw_sessions", "ocw_participants"}
    assert {"ocw_objects_search", "ocw_annotations_search"} & indexes == set()


async def plan(connection: Connection, wanted: SearchFilter) -> tuple[set[str], set[str]]:
    """The tables that a search reads whole, and the indexes that it uses."""
    asked, arguments = asked_query(wanted)
    row = await connection.fetchrow(asked, *arguments)
    assert row is not None
    bounds = wanted.workspaces if row["sessions"] is None else row["sessions"]
    explained = await connection.fetchval(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {find_query(wanted)}",
        row["query"],
        *BEFORE_ALL,
        21,
        bounds,
    )
    used = plan_nodes(explained)
    scanned = {node["Relation Name"] for node in used if node["Node Type"] == "Seq Scan"}
    return scanned, {node["Index Name"] for node in used if "Index Name" in node}


@pytest.mark.asyncio(loop_scope="module")
async def test_no_more_than_so_many_are_ranked(filled: Connection) -> None:
    query = find_query(SearchFilter("meeting"))
    found = await filled.fetch(query, "'meet'", *BEFORE_ALL, 2 * ROWS, None)
    assert len(found) == 2 * MAX_RANKED


async def write(pool: DatabasePool, *texts: str) -> None:
    """A session with these texts in it, as objects 0, 1, 2…"""
    async with pool.borrow() as connection:
        await connection.execute(
            "INSERT INTO ocw_sessions (id, workspace_id, session_type, host_user_id, "
            "max_participants) VALUES ($1, $1, 'whiteboard', $1, 5)",
            SESSION,
        )
        await connection.executemany(
            "INSERT INTO ocw_objects (session_id, id, object_type, properties, is_locked, "
            "is_valid, search_text, version) VALUES ($1, $2, 'text', '{}', false, true, $3, 1)",
            [(SESSION, str(number), text) for number, text in enumerate(texts)],
        )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("réunions", {"0"}),
        ("réunion", {"0"}),
        ("décider", {"0"}),
        ("meetings", {"1"}),
        ("decide", {"1"}),
        ("running", {"2"}),
        ("the les", set()),
        ("l'équipe", {"0"}),
    ],
)
async def test_stems_of_both_languages_are_found(
    pool: DatabasePool, text: str, found: set[str]
) -> None:
    await write(pool, "La réunion a décidé: l'équipe continue", "The meeting decided", "it runs")
    page = await PostgresSearch(pool).find(SearchFilter(text))
    assert {hit.id for hit in page.items} == found
    for hit in page.items:
        assert any(part.is_match for part in hit.snippet)


async def test_snippets_are_plain_text(pool: DatabasePool) -> None:
    """Whatever the text holds, a marker among it; PostgreSQL leaves tags out."""
    await write(pool, "<b>zebra</b> \x02fake\x03 & a<b StopSel=x")
    [hit] = (await PostgresSearch(pool).find(SearchFilter("zebra"))).items
    assert [part for part in hit.snippet if part.is_match] == [Part("zebra", is_match=True)]
    assert "".join(part.text for part in hit.snippet) == " zebra  fake & a<b StopSel=x"


async def test_snippets_of_long_texts_are_short_and_around_the_match(pool: DatabasePool) -> None:
    filler = "nothing of interest stands here. "
    near, far = filler * 50, filler * (SNIPPET_CHARACTERS // len(filler) + 2)
    await write(pool, f"{near}zebra {near}", f"{far}zebra")
    page = await PostgresSearch(pool).find(SearchFilter("zebra"))
    snippets = {hit.id: hit.snippet for hit in page.items}
    assert any(part.is_match for part in snippets["0"])
    assert not any(part.is_match for part in snippets["1"])
    for parts in snippets.values():
        assert 0 < sum(len(part.text) for part in parts) < 400


@pytest.mark.parametrize("text", ["'", '"', "a:*", "&|!()", "\\", "%", '"a" -"', "'; --", "🦓"])
async def test_nothing_that_people_type_is_a_fault(pool: DatabasePool, text: str) -> None:
    await write(pool, "a zebra")
    await PostgresSearch(pool).find(SearchFilter(text))


async def test_planning_for_words_ends_with_the_search(pool: DatabasePool) -> None:
    await PostgresSearch(pool).find(SearchFilter("zebra"))
    async with pool.borrow() as connection:
        assert await connection.fetchval("SHOW plan_cache_mode") == "auto"


def test_the_first_page_starts_before_everything() -> None:
    at = datetime(2100, 1, 1, tzinfo=UTC)
    assert Place(1e9, at, UUID(int=2**128 - 1), 1, "\U0010ffff") < BEFORE_ALL


def test_headlines_are_taken_apart() -> None:
    assert parts_of("a \x02b\x03\x02c\x03 d") == (
        Part("a ", is_match=False),
        Part("b", is_match=True),
        Part("c", is_match=True),
        Part(" d", is_match=False),
    )
    assert parts_of("") == ()
