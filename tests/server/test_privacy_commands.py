"""`collab personal-data` and `collab forget`, beside a real server and without it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from pycrdt import Map

from tests.helpers.server_process import ServerProcess, running_server
from tests.helpers.yjs_peer import YjsPeer
from tests.server.test_upkeep_commands import Command


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with running_server() as started:
        yield started


async def test_a_person_is_told_of_and_forgotten(server: ServerProcess) -> None:
    session = await server.create_session()
    invitation = session.invite()
    user = str(invitation.user_id)
    async with await YjsPeer.join(invitation.url_with(ack="1")) as peer:
        peer.objects["box"] = Map({"object_type": "sticky", "created_by": user})
        await peer.until_stored()
    command = Command(server.data_dir)
    held = json.loads(await command.run("personal-data", user))
    tables = {item["table"] for item in held["rows"]}
    assert tables >= {"document_updates", "document_authors", "ocw_objects", "ocw_object_history"}
    assert "sticky" not in str(held)

    refused = await command.run("forget", user, status=2)
    assert "server" in refused
    await asyncio.to_thread(server.stop)

    forgotten = await command.run("forget", user)
    first, *mentions = forgotten.splitlines()
    assert first.startswith("forgotten in 1 documents")
    assert mentions == [f"what people wrote in session {session.id} names them still"]
    await command.run("verify", "--whole-log")
    assert (await command.run("forget", user)).startswith("forgotten in 0 documents")
    after = json.loads(await command.run("personal-data", user))
    assert {item["table"] for item in after["rows"]} == {"revoked_tokens"}


async def test_what_is_no_person_is_refused(server: ServerProcess) -> None:
    command = Command(server.data_dir)
    for name in ("personal-data", "forget"):
        assert "UUID" in await command.run(name, "ana", status=2)
    nobody = json.loads(await command.run("personal-data", str(uuid4())))
    assert nobody["rows"] == []
