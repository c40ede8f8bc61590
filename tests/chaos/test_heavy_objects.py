"""PRJ-7: an object that takes long to read does not keep everybody waiting at every change."""

from __future__ import annotations

import time

import asyncpg
from pycrdt import Map

from tests.helpers.server_process import running_server
from tests.helpers.yjs_peer import YjsPeer

PROPERTIES, AT_ONCE, CHANGES = 150_000, 15_000, 20

ROW = "SELECT is_valid, properties, object_type FROM ocw_objects WHERE id = 'heavy'"


async def test_prj_7_others_are_served_while_a_heavy_object_is_changed() -> None:
    with running_server() as server:
        session, elsewhere = await server.create_session(), await server.create_session()
        async with (
            await YjsPeer.join(session.invite().url_with(ack="1")) as mal,
            await YjsPeer.join(elsewhere.invite().url_with(ack="1")) as ada,
        ):
            mal.objects["heavy"] = Map({"object_type": "sticky", "properties": Map()})
            properties = mal.objects["heavy"]["properties"]
            for first in range(0, PROPERTIES, AT_ONCE):
                properties.update({f"{number}": number for number in range(first, first + AT_ONCE)})
                await mal.until_stored()
            waits = []
            for number in range(CHANGES):
                properties["0"] = -number
                begun = time.monotonic()
                ada.objects["light"] = number
                await ada.until_stored()
                waits.append(time.monotonic() - begun)
            await mal.until_stored()
            connection = await asyncpg.connect(server.database_dsn(), timeout=10)
            try:
                row = await connection.fetchrow(ROW)
            finally:
                await connection.close()
            # Reading it takes most of a second; the median is what every change costs others.
            assert sorted(waits)[CHANGES // 2] < 0.3
            assert row is not None
            assert (row["is_valid"], row["properties"]) == (False, "{}")
            assert len((await session.state())["objects"]["heavy"]["properties"]) == PROPERTIES
