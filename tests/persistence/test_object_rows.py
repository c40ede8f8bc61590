"""What the rows of objects in PostgreSQL promise beyond the contract."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from crdt_docs.gestures import Author
from crdt_docs.identifiers import ActorKind, DocumentKind, id_of
from crdt_docs.object_changes import ObjectChange, State
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.projection import ObjectState
from persistence import log_statements, object_refusals, object_rows
from persistence.object_history import PostgresObjectReader, history_query, start_of_page
from persistence.object_ports import HistoryFilter, HistoryRow, ObjectRow
from persistence.object_tables import TABLES
from persistence.pool import DatabasePool
from persistence.ports import Commit
from persistence.update_log import PostgresDocumentStore
from tests.helpers.commits import ANA, BEN, commit, document, log_of
from tests.helpers.objects import (
    ANNOTATIONS,
    CREATE,
    DELETE,
    OBJECTS,
    UPDATE,
    XR_OBJECTS,
    Hands,
    box,
    model,
    remark,
)

ONE, ROOM = document(1), document(1, DocumentKind.XR)
SESSION = UUID(ONE.partition("/")[2])


@pytest.fixture
def store(pool: DatabasePool) -> PostgresDocumentStore:
    return PostgresDocumentStore(pool)


@pytest_asyncio.fixture
async def own_pool(own_database: str) -> AsyncIterator[DatabasePool]:
    """A pool on a database whose tables the test may change."""
    opened = await DatabasePool.open(own_database)
    yield opened
    await opened.close()


async def one(pool: DatabasePool, statement: str, *arguments: object) -> Any:
    async with pool.borrow() as connection:
        return await connection.fetchval(statement, *arguments)


def entry(seq: int, *changes: ObjectChange) -> Commit:
    return commit(ONE, seq)._replace(changes=changes)


async def rows(pool: DatabasePool) -> dict[str, ObjectRow]:
    found = await PostgresObjectReader(pool).objects(SESSION, OBJECTS, limit=10_000, deleted=True)
    return {row.id: row for row in found}


async def versions(pool: DatabasePool, identifier: str) -> list[HistoryRow]:
    wanted = HistoryFilter(object_id=identifier)
    page = await PostgresObjectReader(pool).history(SESSION, OBJECTS, wanted, limit=1000)
    return list(page.items[::-1])


def stated(state: State) -> dict[str, Any]:
    fields = state._asdict()
    del fields["search_text"]
    return fields


BLANK = stated(ObjectState(is_valid=False))


async def test_rows_and_log_are_one_statement_in_one_transaction(
    store: PostgresDocumentStore, pool: DatabasePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HST-6, LOG-7: also where rows are extended, deleted and made beside one another."""
    hands = Hands()
    await store.commit(log_of(document(999), 1, 1))
    made = [hands.change(CREATE, f"box {n}", box(n), ANA) for n in range(3)]
    said = hands.change(CREATE, "remark", remark("well done"), ANA)
    with monkeypatch.context() as patch:
        patch.setattr(pool, "borrow", lambda: pytest.fail("another statement"))
        placed = hands.change(CREATE, "chair", model(1), ANA)
        await store.commit([entry(1, *made, said), commit(ROOM, 1)._replace(changes=(placed,))])
    writers = """
        SELECT count(DISTINCT xmin::text) FROM (
            SELECT xmin FROM document_updates WHERE document_id <> (SELECT min(id) FROM documents)
            UNION ALL SELECT xmin FROM ocw_objects UNION ALL SELECT xmin FROM ocw_object_history
            UNION ALL SELECT xmin FROM ocw_annotations
            UNION ALL SELECT xmin FROM ocw_annotation_history
            UNION ALL SELECT xmin FROM xr_objects UNION ALL SELECT xmin FROM xr_object_history
        ) AS all_rows
    """
    assert await one(pool, writers) == 1
    with monkeypatch.context() as patch:
        patch.setattr(pool, "borrow", lambda: pytest.fail("another statement"))
        moved = hands.change(UPDATE, "box 0", box(9), BEN)
        gone = hands.change(DELETE, "box 1", None, BEN)
        await store.commit([entry(2, moved, gone, hands.change(CREATE, "box 3", box(), BEN))])
    assert await one(pool, "SELECT count(*) FROM ocw_object_history") == 5


async def test_an_attempt_that_is_still_under_way_writes_no_history_twice(
    store: PostgresDocumentStore, pool: DatabasePool
) -> None:
    """HST-6, LOG-4: the answer did not come in time, and the batch is sent again meanwhile."""
    hands = Hands()
    other = PostgresDocumentStore(pool)
    for seq in range(1, 40):
        changes = [hands.change(UPDATE if seq > 1 else CREATE, "box", box(seq), ANA)]
        if seq % 3 == 0:
            changes.append(hands.change(UPDATE, "box", box(seq + 0.5), BEN))
        batch = [entry(seq, *changes)]
        await asyncio.gather(store.commit(batch), other.commit(batch))
        hands.later(0.7 if seq % 2 else 1.2)
    found = await versions(pool, "box")
    assert [each.version for each in found] == list(range(1, len(found) + 1))
    assert [each.update_seq for each in found] == [1, *range(3, 40, 2)]
    assert store.refused_objects == other.refused_objects == 0


# --- HST-7 --------------------------------------------------------------------------------------

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not this one'; END $$;
"""
WHEN = (
    "CREATE TRIGGER refusing BEFORE INSERT OR UPDATE ON {} FOR EACH ROW WHEN ({}) "
    "EXECUTE FUNCTION refuse()"
)


async def refusing(pool: DatabasePool, table: str, condition: str) -> None:
    async with pool.borrow() as connection:
        await connection.execute(REFUSE + WHEN.format(table, condition))


@pytest.mark.parametrize("count", [1, 2, 13])
async def test_a_row_that_is_refused_does_not_keep_the_others_out(
    own_pool: DatabasePool, count: int
) -> None:
    """HST-7: it is there without its content, flagged and counted; log and history are whole."""
    store = PostgresDocumentStore(own_pool)
    await refusing(own_pool, "ocw_objects", "NEW.properties ->> 'text' = 'bad'")
    hands = Hands()
    for bad in range(count):
        batch = [
            entry(
                bad * count + n + 1,
                hands.change(UPDATE, f"box {n}", box(bad, "bad" if n == bad else "good"), ANA),
            )
            for n in range(count)
        ]
        hands.later()
        await store.commit(batch)
        found = await rows(own_pool)
        assert len(found) == count
        for n in range(count):
            row = found[f"box {n}"]
            assert row.version == bad + 1
            assert row.state == (BLANK if n == bad else stated(box(bad, "good")))
        assert store.refused_objects == bad + 1
    assert (await store.load(ONE)).last_seq == count * count
    assert len(await versions(own_pool, "box 0")) == count


async def test_what_is_refused_of_a_room_does_not_keep_out_what_was_stored_with_it(
    own_pool: DatabasePool,
) -> None:
    """HST-7"""
    store = PostgresDocumentStore(own_pool)
    await refusing(own_pool, "xr_objects", "NEW.properties ->> 'text' = 'bad'")
    hands = Hands()
    placed = [hands.change(CREATE, text, model(1, text), ANA) for text in ("bad", "good")]
    batch = [
        entry(1, hands.change(CREATE, "box", box(1), ANA)),
        commit(ROOM, 1)._replace(changes=tuple(placed)),
    ]
    await store.commit(batch)
    assert (await rows(own_pool)).keys() == {"box"}
    found = await PostgresObjectReader(own_pool).objects(id_of(ROOM), XR_OBJECTS)
    states = {row.id: row.state for row in found}
    assert states["bad"] == stated(TABLES[XR_OBJECTS].blank)
    assert states["good"] == stated(model(1, "good"))
    assert store.refused_objects == 1


async def test_what_was_refused_may_be_mended(own_pool: DatabasePool) -> None:
    """HST-7, HST-5: the versions go on, and say what the row said."""
    store = PostgresDocumentStore(own_pool)
    await refusing(own_pool, "ocw_objects", "NEW.properties ->> 'text' = 'bad'")
    hands = Hands()
    for seq, text in enumerate(["good", "bad", "bad", "good", "good"], 1):
        kind = CREATE if seq == 1 else UPDATE
        await store.commit([entry(seq, hands.change(kind, "box", box(seq, text), ANA))])
        hands.later()
    found = await versions(own_pool, "box")
    assert [each.previous_state for each in found] == [
        {},
        stated(box(1, "good")),
        BLANK,
        BLANK,
        stated(box(4, "good")),
    ]
    assert (await rows(own_pool))["box"].state == stated(box(5, "good"))
    assert store.refused_objects == 2


async def test_an_object_of_which_nothing_is_taken(own_pool: DatabasePool) -> None:
    """HST-7: it stays as it was, and its history begins when it can."""
    store = PostgresDocumentStore(own_pool)
    hands = Hands()
    await store.commit([entry(1, hands.change(CREATE, "old", box(1), ANA))])
    await refusing(own_pool, "ocw_objects", "NEW.id IN ('old', 'new')")
    hands.later()
    batch = [
        entry(2, hands.change(UPDATE, "old", box(2), ANA)),
        entry(3, hands.change(CREATE, "new", box(3), ANA)),
        entry(4, hands.change(CREATE, "box", box(4), ANA)),
    ]
    await store.commit(batch)
    assert (await store.load(ONE)).last_seq == 4
    assert {name: row.state for name, row in (await rows(own_pool)).items()} == {
        "old": stated(box(1)),
        "box": stated(box(4)),
    }
    assert store.refused_objects == 2
    await one(own_pool, "DROP TRIGGER refusing ON ocw_objects")
    moved = [hands.change(UPDATE, name, box(5), BEN) for name in ("old", "new")]
    await store.commit([entry(5, *moved)])
    assert {name: row.version for name, row in (await rows(own_pool)).items()} == {
        "old": 1,
        "new": 1,
        "box": 1,
    }
    [version] = await versions(own_pool, "new")
    assert version.previous_state == {}
    assert version.contributors == (ANA, BEN)


async def test_who_took_part_in_the_version_before_a_refused_one_stays(
    own_pool: DatabasePool,
) -> None:
    """HST-7: the room goes on with a gesture of which there is no row."""
    store = PostgresDocumentStore(own_pool)
    hands = Hands()
    await store.commit([entry(1, hands.change(CREATE, "box", box(1), ANA))])
    hands.later()
    await refusing(own_pool, "ocw_object_history", "NEW.version = 2")
    await store.commit([entry(2, hands.change(UPDATE, "box", box(2), BEN))])
    assert store.refused_objects == 1
    await store.commit([entry(3, hands.change(UPDATE, "box", box(3), BEN))])
    (version,) = await versions(own_pool, "box")
    assert version.changed_by == Author(ANA)
    assert version.contributors == (ANA, BEN)
    assert (await rows(own_pool))["box"].state == stated(box(3))


async def test_a_state_that_only_the_history_would_hold_is_refused(own_pool: DatabasePool) -> None:
    """HST-7: in between, in one batch; the content that follows it is left out with it."""
    store = PostgresDocumentStore(own_pool)
    condition = "NEW.previous_state -> 'properties' ->> 'text' = 'bad'"
    await refusing(own_pool, "ocw_object_history", condition)
    hands = Hands()
    changes = []
    for text in ("good", "bad", "good"):
        changes.append(hands.change(UPDATE, "box", box(1, text), ANA))
        hands.later()
    await store.commit([entry(1, *changes)])
    assert [each.previous_state for each in await versions(own_pool, "box")] == [{}, BLANK, BLANK]
    assert (await rows(own_pool))["box"].state == BLANK


async def test_what_cannot_be_sent_is_refused_too(
    store: PostgresDocumentStore, pool: DatabasePool
) -> None:
    """HST-7: a state that no projection makes, found before anything is sent."""
    hands = Hands()
    strange = box()._replace(properties={"number": 2**70})
    changes = [
        hands.change(CREATE, "strange", strange, ANA),
        hands.change(CREATE, "x" * 129, box(), ANA),
        hands.change(CREATE, "", box(), ANA),
        hands.change(CREATE, "NUL \x00", box(), ANA),
        hands.change(CREATE, "box", box(), ANA),
    ]
    await store.commit([entry(1, *changes)])
    found = await rows(pool)
    assert found.keys() == {"strange", "NUL \ufffd", "box"}
    assert found["strange"].state == BLANK
    assert store.refused_objects == 3
    assert (await store.load(ONE)).last_seq == 1


@pytest.mark.parametrize("limit", [1_000, 3_000, 10_000])
async def test_more_than_a_statement_takes_is_sent_in_parts(
    store: PostgresDocumentStore, pool: DatabasePool, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """HST-7: a database that fails on it would be asked again for ever."""
    monkeypatch.setattr(object_rows, "BYTES_AT_ONCE", limit)
    monkeypatch.setattr(object_rows, "MAX_BYTES", limit)
    hands = Hands()
    made = [hands.change(CREATE, f"box {n}", box(n), ANA) for n in range(20)]
    huge = hands.change(CREATE, "huge", box(0, "x" * limit), ANA)
    await store.commit([entry(1, *made[:13], huge, *made[13:])])
    found = await rows(pool)
    assert found.pop("huge").state == BLANK
    assert len(found) == 20
    assert all(row.state["is_valid"] for row in found.values())
    assert store.refused_objects == 1


async def test_many_rows_are_sent_in_parts_and_a_large_one_alone(
    store: PostgresDocumentStore, pool: DatabasePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred long texts changed at once take longer than a statement may: it would be tried
    for ever, and nothing of anybody's be stored meanwhile."""
    monkeypatch.setattr(object_rows, "BYTES_AT_ONCE", 3_000)
    sizes: list[int] = []
    parameters = object_rows.parameters

    def noted(found: Sequence[object_rows.ObjectWrite]) -> tuple[bytes, ...]:
        encoded = parameters(found)
        sizes.append(sum(map(len, encoded)))
        return encoded

    monkeypatch.setattr(object_refusals, "parameters", noted)
    hands = Hands()
    made = [hands.change(CREATE, f"box {n}", box(n), ANA) for n in range(20)]
    huge = hands.change(CREATE, "huge", box(0, "x" * 9_000), ANA)
    await store.commit([entry(1, *made[:13], huge, *made[13:])])
    found = await rows(pool)
    assert len(found) == 21
    assert found["huge"].state["properties"]["text"] == "x" * 9_000
    assert all(row.state["is_valid"] for row in found.values())
    assert store.refused_objects == 0
    assert sorted(sizes)[-2] <= 3_000 + 4 < sorted(sizes)[-1]


async def test_a_refused_batch_that_is_sent_again_changes_nothing(own_pool: DatabasePool) -> None:
    """HST-6, HST-7"""
    store = PostgresDocumentStore(own_pool)
    await refusing(own_pool, "ocw_objects", "NEW.properties ->> 'text' = 'bad'")
    hands = Hands()
    batch = [entry(n, hands.change(CREATE, f"box {n}", box(n, "bad"), ANA)) for n in (1, 2)]
    await store.commit(batch)
    before = await rows(own_pool)
    await store.commit(batch)
    assert await rows(own_pool) == before
    assert store.refused_objects == 2


async def test_a_table_that_is_missing_is_no_refusal(own_pool: DatabasePool) -> None:
    """It is waited out, like every fault that does not lie in the content."""
    store = PostgresDocumentStore(own_pool)
    await one(own_pool, "DROP TABLE ocw_object_history")
    with pytest.raises(asyncpg.UndefinedTableError):
        await store.commit([entry(1, Hands().change(CREATE, "box", box(), ANA))])
    assert (await store.load(ONE)).last_seq == 0


# --- the tables ---------------------------------------------------------------------------------


async def test_an_agent_s_annotations_say_so(
    store: PostgresDocumentStore, pool: DatabasePool
) -> None:
    """Who made it, whoever changes it later."""
    bot = Author(UUID(int=7), ActorKind.AGENT)
    hands = Hands()
    made = [
        hands.change(CREATE, "the bot's", remark("a"), bot),
        hands.change(CREATE, "ana's", remark("b"), ANA),
    ]
    await store.commit([entry(1, *made)])
    hands.later()
    changed = [
        hands.change(UPDATE, "the bot's", remark("c"), ANA),
        hands.change(UPDATE, "ana's", remark("d"), bot),
    ]
    await store.commit([entry(2, *changed)])
    agents = "SELECT jsonb_object_agg(id, agent_id) FROM ocw_annotations"
    assert await one(pool, agents) == {"the bot's": str(bot.user_id), "ana's": None}


async def test_an_agent_s_annotation_says_so_also_if_somebody_changed_it_before_it_was_stored(
    store: PostgresDocumentStore, pool: DatabasePool
) -> None:
    """HST-2: the change is of who touched it last, its row of who began."""
    bot = Author(UUID(int=7), ActorKind.AGENT)
    made = Hands().change(CREATE, "the bot's", remark("a"), bot)
    touched = made._replace(author=Author(ANA))
    await store.commit([entry(1, touched)])
    columns = "SELECT (agent_id, updated_by)::text FROM ocw_annotations"
    assert await one(pool, columns) == f"({bot.user_id},{ANA})"


@pytest.mark.parametrize(
    ("language", "word"), [("french", "cheval"), ("english", "horse"), ("french", "dessin")]
)
async def test_words_are_found_in_french_and_english(
    store: PostgresDocumentStore, pool: DatabasePool, language: str, word: str
) -> None:
    hands = Hands()
    made = [
        hands.change(CREATE, "box", box(0, "deux chevaux dessinés; the horses run"), ANA),
        hands.change(CREATE, "plain", box(0), ANA),
    ]
    said = hands.change_in(ANNOTATIONS, CREATE, "remark", remark("nothing of the kind"), ANA)
    await store.commit([entry(1, *made, said)])
    query = "SELECT array_agg(id) FROM ocw_objects WHERE search @@ to_tsquery($1::regconfig, $2)"
    assert await one(pool, query, language, word) == ["box"]
    assert await one(pool, "SELECT search IS NULL FROM ocw_objects WHERE id = 'plain'")
    assert await one(pool, "SELECT count(*) FROM ocw_annotations WHERE search IS NULL") == 0


async def test_dragging_a_large_text_does_not_write_it_again(
    store: PostgresDocumentStore, pool: DatabasePool
) -> None:
    """What is stored out of the row stays where it is; so does the index of its words."""
    text = " ".join(f"word{number}" for number in range(6_000))
    hands = Hands()
    await store.commit([entry(1, hands.change(CREATE, "box", box(0, text), ANA))])
    size = """
        SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'ocw_objects'::regclass
    """
    before = await one(pool, size)
    assert before > len(text)
    for seq in range(2, 12):
        await store.commit([entry(seq, hands.change(UPDATE, "box", box(seq, text), ANA))])
    assert await one(pool, size) == before
    await store.commit([entry(12, hands.change(UPDATE, "box", box(12, text + "!"), ANA))])
    assert await one(pool, size) > before
    assert (await rows(pool))["box"].state == stated(box(12, text + "!"))


def index_names(plan: dict[str, Any]) -> set[str]:
    names = {plan["Index Name"]} if "Index Name" in plan else set()
    return names.union(*(index_names(child) for child in plan.get("Plans", [])))


def node_types(plan: dict[str, Any]) -> set[str]:
    return {plan["Node Type"]}.union(*(node_types(child) for child in plan.get("Plans", [])))


@pytest.mark.parametrize("kind", [OBJECTS, XR_OBJECTS])
async def test_pages_of_the_history_come_from_indexes(
    own_pool: DatabasePool, kind: ObjectKind
) -> None:
    """Each index serves the query that it is there for."""
    history, owner = TABLES[kind].history, TABLES[kind].owner
    async with own_pool.borrow() as connection:
        await connection.execute(
            f"""
            INSERT INTO {history} (
                {owner}, object_id, version, previous_state, changed_by, actor_kind,
                contributors, changed_at, change_type, update_seq
            )
            SELECT $1::uuid, n / 8, n, '{{}}', author, 'user',
                CASE WHEN n % 20 = 0 THEN ARRAY[author, $2] ELSE ARRAY[author] END,
                now() + n * interval '1 second', 'update', n
            FROM generate_series(1, 20000) AS n,
                LATERAL (SELECT CASE WHEN n % 7 = 0 THEN $2::uuid ELSE $3 END AS author) AS who
            """,
            SESSION,
            ANA,
            BEN,
        )
        await connection.execute(f"ANALYZE {history}")
    for wanted, indexes in [
        (HistoryFilter(), {f"{history}_by_time"}),
        (HistoryFilter(object_id="7"), {f"{history}_pkey"}),
        (
            HistoryFilter(user_id=ANA),
            {f"{history}_by_user", f"{history}_shared"},
        ),
    ]:
        query, further = history_query(kind, wanted)
        at, row_id = start_of_page(wanted, None)
        arguments = (SESSION, at, row_id, at.replace(year=2), 51, *further)
        plan = json.loads(await one(own_pool, f"EXPLAIN (FORMAT JSON) {query}", *arguments))[0]
        assert index_names(plan["Plan"]) == indexes
        assert "Seq Scan" not in node_types(plan["Plan"])


async def test_rows_are_looked_up_by_key_however_small_the_tables_were(
    own_pool: DatabasePool,
) -> None:
    """A plan is made while the tables are empty, and kept."""
    async with own_pool.borrow() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        parameters = ", ".join([*["NULL"] * 10, "0", "0", *["'[]'::bytea"] * len(ObjectKind)])
        statement = log_statements.COMMIT_NEW[tuple(ObjectKind)]
        await connection.execute(f"PREPARE commit_new AS {statement}")
        text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE commit_new ({parameters})")
        await connection.execute("DEALLOCATE commit_new; RESET plan_cache_mode")
    plan = json.loads(text)[0]["Plan"]
    assert {f"{table.name}_pkey" for table in TABLES.values()} <= index_names(plan)
    assert "documents" in scanned(plan)  # of which there are few where there are few objects
    tables = {name for table in TABLES.values() for name in (table.name, table.history)}
    assert not scanned(plan) & tables


def scanned(plan: dict[str, Any]) -> set[str]:
    tables = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return tables.union(*(scanned(child) for child in plan.get("Plans", [])))
