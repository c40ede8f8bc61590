"""Two people drag one object, sixty times a second: it is a few rows of history, of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import asyncpg
import pytest
from pycrdt import Map

from crdt_docs.identifiers import id_of
from crdt_docs.object_kinds import ObjectKind
from persistence.memory_store import MemoryDocumentStore
from persistence.object_ports import HistoryFilter
from tests.helpers.commits import document
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import LiveSession, ServerProcess, running_server
from tests.helpers.stored_board import ADA, BEN, StoredBoard, box
from tests.helpers.verifying import findings
from tests.helpers.yjs_peer import YjsPeer

HERTZ = 60
SECONDS = few_or_many(3, 10)
MOST_ROWS = 12 * SECONDS // 10


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server() as started:
        yield started


async def drag(peer: YjsPeer, seconds: float) -> int:
    """Move the box for a while; how often."""
    begun, moves = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        peer.objects["box"]["position"] = {"x": passed, "y": moves}
        moves += 1
        await asyncio.sleep(max(0.0, begun + moves / HERTZ - time.monotonic()))
    return moves


async def history_of_box(server: ServerProcess, session: LiveSession) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(server.database_dsn())
    try:
        rows: list[asyncpg.Record] = await connection.fetch(
            "SELECT * FROM ocw_object_history WHERE session_id = $1 ORDER BY version", session.id
        )
    finally:
        await connection.close()
    return rows


async def test_hst_1_two_people_drag_one_object(server: ServerProcess) -> None:
    session = await server.create_session()
    ways_in = [session.invite(), session.invite()]
    async with (
        await YjsPeer.join(ways_in[0].url_with(ack="1")) as ada,
        await YjsPeer.join(ways_in[1].url_with(ack="1")) as ben,
    ):
        ada.objects["box"] = Map({"object_type": "sticky", "position": {"x": 0, "y": 0}})
        await ben.until(lambda: "box" in ben.objects)
        moves = sum(await asyncio.gather(drag(ada, SECONDS), drag(ben, SECONDS)))
        await asyncio.gather(ada.until_stored(), ben.until_stored())
    assert moves > SECONDS * HERTZ, "they were as busy as people are"
    rows = await history_of_box(server, session)
    assert len(rows) <= MOST_ROWS
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    both = {invitation.user_id for invitation in ways_in}
    assert set().union(*(row["contributors"] for row in rows)) == both
    assert set(rows[-1]["contributors"]) == both
    assert await findings(server.database_dsn(), session.id) == []


async def test_hst_1_ten_seconds_of_dragging_are_three_rows() -> None:
    """By a clock that the test turns: the creation lasts for five seconds, and so does the next."""
    store = MemoryDocumentStore()
    board = StoredBoard(document(1), store)
    await board.edit(ADA, lambda o: o.update({"a": box()}))
    for move in range(1, 10 * HERTZ + 1):
        board.now = move / HERTZ
        for who in (ADA, BEN):
            await board.edit(who, lambda o: o["a"].update({"position": {"x": board.now, "y": 0}}))
    page = await store.objects.history(id_of(board.name), ObjectKind.OCW_OBJECT, HistoryFilter())
    newest, middle, first = page.items
    assert (first.change_type, middle.change_type, newest.change_type) == (
        "create",
        "update",
        "update",
    )
    assert set(first.contributors) == set(middle.contributors) == {ADA.user_id, BEN.user_id}
    assert middle.previous_state["position"]["x"] == pytest.approx(5, abs=2 / HERTZ)
    assert newest.previous_state["position"]["x"] == pytest.approx(10, abs=2 / HERTZ)
