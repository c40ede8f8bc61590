"""A document as large as its limits allow can be edited, put away, opened and shown."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pycrdt import Map

from tests.helpers.proving import few_or_many
from tests.helpers.server_process import ServerProcess
from tests.helpers.yjs_peer import YjsPeer

OBJECTS = few_or_many(3_000, 100_000)
AT_ONCE = 1_000
"""Objects in one update."""


def shape(number: int) -> Map[Any]:
    """A canvas object as editors make them."""
    return Map(
        {
            "object_type": "shape",
            "position": {"x": number, "y": 2},
            "size": {"width": 3, "height": 4},
            "layer": 1,
            "is_locked": False,
            "created_by": "somebody",
            "properties": Map({"text": "hello", "color": "red"}),
        }
    )


@pytest.mark.timeout(600)
async def test_a_full_document_disturbs_nobody(server: ServerProcess) -> None:
    """Opening and showing it takes a while; the process must not be taken for dead meanwhile,
    which would end everybody's connections, again with every attempt."""
    session = await server.create_session()
    elsewhere = await server.create_session()
    worker = server.worker().pid
    async with await YjsPeer.join(elsewhere.invite().url, state={}) as witness:
        async with await YjsPeer.join(session.invite().url_with(ack="1")) as ada:
            for start in range(0, OBJECTS, AT_ONCE):
                with ada.doc.transaction():
                    for number in range(start, start + AT_ONCE):
                        ada.objects[f"object-{number}"] = shape(number)
                await ada.until_stored()
        for _ in range(2):
            # Nobody is in the room: it leaves memory after a second, and is opened anew.
            await asyncio.sleep(2.5)
            state = await session.state()
            assert len(state["objects"]) == OBJECTS
            async with await YjsPeer.join(session.invite("viewer").url) as bob:
                await bob.until(lambda: len(bob.objects) == OBJECTS)
        assert witness.is_connected
        assert len(witness.wires) == 1
    assert server.worker().pid == worker
