"""Objects that no database likes: stored and flagged as they have to be, and nobody is held up."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest
from pycrdt import Map, Text

from tests.helpers import raw_updates as raw
from tests.helpers.server_process import LiveSession, ServerProcess
from tests.helpers.verifying import findings
from tests.helpers.yjs_peer import YjsPeer, sync_update

MEGABYTE = 1024 * 1024
LONG_ID = "k" * 3072
MOST_SEARCHED = 64 * 1024
DEEPEST = 64
MAP, TEXT = 1, 2
STRANGER = 77


def nested(levels: int) -> Any:
    """Lists and maps within one another."""
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


def sticky(**fields: Any) -> Map[Any]:
    return Map({"object_type": "sticky", **fields})


def half_a_pair() -> bytes:
    """A text with half of a surrogate pair in an embedded value, as browsers escape it."""
    return raw.update(
        raw.section(
            STRANGER,
            0,
            raw.item(raw.shared_type(MAP), parent="objects", key="half"),
            raw.item(raw.values(raw.string("sticky")), parent=(STRANGER, 0), key="object_type"),
            raw.item(raw.shared_type(MAP), parent=(STRANGER, 0), key="properties"),
            raw.item(raw.shared_type(TEXT), parent=(STRANGER, 2), key="text"),
            raw.item(raw.embed('{"a":"\\ud83d"}'), parent=(STRANGER, 3)),
        )
    )


def poison(peer: YjsPeer) -> None:
    """Everything at once, and each in an update of its own."""
    objects = peer.objects
    objects["nul\x01"] = sticky(properties=Map({"text": Text("a\0b"), "key\0": ["\0"]}))
    objects["nan"] = sticky(position={"x": float("nan"), "y": 1}, rotation=float("inf"))
    objects["huge"] = sticky(rotation=1e308, layer=2**60, properties={"n": -(2.0**80)})
    objects[LONG_ID] = sticky()
    objects["nul\0id"] = sticky()
    objects["long"] = sticky(properties=Map({"text": Text("word " * (MEGABYTE // 5))}))
    objects["deep"] = sticky(properties=nested(DEEPEST - 1))
    objects["number"] = 5
    objects["bytes"] = b"\x00\xff"
    peer.send(sync_update(half_a_pair()))


async def rows_of(server: ServerProcess, session: LiveSession) -> dict[str, dict[str, Any]]:
    connection = await asyncpg.connect(server.database_dsn())
    try:
        rows = await connection.fetch("SELECT * FROM ocw_objects WHERE session_id = $1", session.id)
    finally:
        await connection.close()
    return {row["id"]: dict(row) for row in rows}


async def goes_on(peer: YjsPeer, key: str) -> None:
    """Edits are still called stored."""
    peer.objects[key] = sticky(layer=1)
    await peer.until_stored()


@pytest.mark.timeout(120)
async def test_prj_1_poisonous_objects_are_stored_and_flagged(server: ServerProcess) -> None:
    session, other = await server.create_sessions(2)
    async with (
        await YjsPeer.join(session.invite().url_with(ack="1")) as peer,
        await YjsPeer.join(session.invite().url_with(ack="1")) as neighbour,
        await YjsPeer.join(other.invite().url_with(ack="1")) as bystander,
    ):
        poison(peer)
        await goes_on(bystander, "elsewhere")
        await goes_on(neighbour, "beside")
        await peer.until_stored()
        await goes_on(peer, "after")
        for person in (peer, neighbour, bystander):
            assert len(person.wires) == 1, "nobody was sent away"
            assert person.is_connected
        assert LONG_ID in neighbour.objects, "the document keeps what has no row"

    rows = await rows_of(server, session)
    assert rows.keys() == {
        *("nul\x01", "nan", "huge", "long", "deep", "number", "bytes", "half"),
        *("beside", "after"),
    }
    invalid = {identifier for identifier, row in rows.items() if not row["is_valid"]}
    assert invalid == {"nan", "number", "bytes"}
    assert json.loads(rows["nul\x01"]["properties"]) == {
        "text": "a\ufffdb",
        "key\ufffd": ["\ufffd"],
    }
    assert (rows["nan"]["position"], rows["nan"]["rotation"]) == (None, None)
    assert (rows["huge"]["rotation"], rows["huge"]["layer"]) == (1e308, 2.0**60)
    assert float(json.loads(rows["huge"]["properties"])["n"]) == -(2.0**80)
    assert len(json.loads(rows["long"]["properties"])["text"]) > MEGABYTE - 10
    assert MOST_SEARCHED - 10 < len(rows["long"]["search_text"]) <= MOST_SEARCHED
    assert json.loads(rows["deep"]["properties"]) == nested(DEEPEST - 1)
    assert json.loads(rows["half"]["properties"]) == {
        "text": {"delta": [{"insert": {"a": "\ufffd"}}]}
    }
    assert await findings(server.database_dsn()) == []


async def test_grd_7_a_lone_surrogate_in_a_text_closes_its_own_socket_and_no_other(
    server: ServerProcess,
) -> None:
    """No encoder of UTF-8 writes one; what sends it all the same is turned away."""
    session = await server.create_session()
    surrogate = raw.update(
        raw.section(
            STRANGER, 0, raw.item(raw.values(b"\x77\x03\xed\xa0\x80"), parent="objects", key="x")
        )
    )
    async with (
        await YjsPeer.join(session.invite().url_with(ack="1")) as peer,
        await YjsPeer.join(session.invite().url_with(ack="1")) as neighbour,
    ):
        peer.send(sync_update(surrogate))
        assert (await peer.until_closed())[0] == 4400
        await goes_on(neighbour, "beside")
    assert (await rows_of(server, session)).keys() == {"beside"}
    assert await findings(server.database_dsn(), session.id) == []
