"""Two people drag one object, sixty times a second: it is a few rows of history, of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pycrdt import Map

from crdt_docs.identifiers import id_of
from crdt_docs.object_kinds import ObjectKind
from persistence.memory_store import MemoryDocumentStore
from persistence.object_ports import HistoryFilter
from tests.helpers.commits import document
from tests.helpers.places import PLACES, Place, made_in
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import ServerProcess, running_server
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


def at(x: float, y: float) -> dict[str, Any]:
    """Where an object is, on a canvas and in a room."""
    return {"position": {"x": x, "y": y}, "transform": {"position": {"x": x, "y": y, "z": 0}}}


async def drag(peer: YjsPeer, seconds: float) -> int:
    """Move the box for a while, wherever it may be; how often."""
    begun, moves = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        peer.objects["box"].update(at(passed, moves))
        moves += 1
        await asyncio.sleep(max(0.0, begun + moves / HERTZ - time.monotonic()))
    return moves


@pytest.mark.parametrize("place", PLACES)
async def test_hst_1_two_people_drag_one_object(server: ServerProcess, place: Place) -> None:
    live = await made_in(server, place)
    ways_in = [live.invite(), live.invite()]
    async with (
        await YjsPeer.join(ways_in[0].url_with(ack="1")) as ada,
        await YjsPeer.join(ways_in[1].url_with(ack="1")) as ben,
    ):
        ada.objects["box"] = Map({"object_type": "model", **at(0, 0)})
        await ben.until(lambda: "box" in ben.objects)
        moves = sum(await asyncio.gather(drag(ada, SECONDS), drag(ben, SECONDS)))
        await asyncio.gather(ada.until_stored(), ben.until_stored())
    assert moves > SECONDS * HERTZ, "they were as busy as people are"
    rows = (await live.request("GET", "/objects/box/history"))["items"]
    assert len(rows) <= MOST_ROWS
    assert [row["version"] for row in rows] == list(range(len(rows), 0, -1))
    both = {str(invitation.user_id) for invitation in ways_in}
    assert set().union(*(row["contributors"] for row in rows)) == both
    assert set(rows[0]["contributors"]) == both
    assert await findings(server.database_dsn(), live.name) == []


@pytest.mark.parametrize("kind", [ObjectKind.OCW_OBJECT, ObjectKind.XR_OBJECT])
async def test_hst_1_ten_seconds_of_dragging_are_three_rows(kind: ObjectKind) -> None:
    """By a clock that the test turns: the creation lasts for five seconds, and so does the next."""
    store = MemoryDocumentStore()
    board = StoredBoard(document(1, kind.document), store)
    await board.edit(ADA, lambda o: o.update({"a": box()}))
    for move in range(1, 10 * HERTZ + 1):
        board.now = move / HERTZ
        for who in (ADA, BEN):
            await board.edit(who, lambda o: o["a"].update(at(board.now, 0)))
    page = await store.objects.history(id_of(board.name), kind, HistoryFilter())
    newest, middle, first = page.items
    assert (first.change_type, middle.change_type, newest.change_type) == (
        "create",
        "update",
        "update",
    )
    assert set(first.contributors) == set(middle.contributors) == {ADA.user_id, BEN.user_id}
    assert middle.previous_state["position"]["x"] == pytest.approx(5, abs=2 / HERTZ)
    assert newest.previous_state["position"]["x"] == pytest.approx(10, abs=2 / HERTZ)
