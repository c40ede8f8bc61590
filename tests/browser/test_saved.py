"""What the page says about being stored, and what is true."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect
from pycrdt import Doc, Map

from tests.browser.conftest import SitDown
from tests.helpers.breaking_proxy import BreakingProxy
from tests.helpers.outages import database_stopped
from tests.helpers.server_process import LiveSession, ServerProcess

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


async def stored_texts(session: LiveSession) -> list[str]:
    """The texts of the notes that are in the database."""
    doc: Doc[Any] = Doc()
    doc.apply_update(await session.stored())
    objects = doc.get("objects", type=Map).to_py() or {}
    return sorted(thing["properties"]["text"] for thing in objects.values())


async def test_saved_means_that_it_is_in_the_database(
    session: LiveSession, sit_down: SitDown
) -> None:
    ada = await sit_down()
    await ada.open(session.server.port, session.invite())
    await ada.write_note("kept", 400, 300)
    await expect(ada.saved).to_have_text("Saved")
    assert await stored_texts(session) == ["kept"]


async def test_while_the_database_stands_still_nothing_is_called_saved(
    server: ServerProcess, session: LiveSession, sit_down: SitDown
) -> None:
    ada, bob = await sit_down(), await sit_down()
    await ada.open(server.port, session.invite())
    await bob.open(server.port, session.invite())
    with database_stopped(server):
        await ada.write_note("not yet", 400, 300)
        await expect(bob.note("not yet")).to_be_visible()
        await expect(ada.saved).to_have_text("Saving…")
        await expect(bob.saved).to_have_text("Saved")  # nothing of his is missing
    await expect(ada.saved).to_have_text("Saved")
    assert await stored_texts(session) == ["not yet"]


async def test_edits_made_offline_merge_when_the_network_is_back(
    server: ServerProcess, session: LiveSession, sit_down: SitDown
) -> None:
    ada, bob = await sit_down(), await sit_down()
    async with BreakingProxy(server.port) as network:
        await ada.open(network.port, session.invite())
        await bob.open(server.port, session.invite())
        await ada.write_note("before", 300, 250)
        await expect(bob.note("before")).to_be_visible()
        await expect(ada.saved).to_have_text("Saved")

        network.refuse = True
        network.cut()
        await expect(ada.link).to_have_text("Reconnecting…")
        await expect(ada.saved).to_have_text("Offline")
        await ada.write_note("offline", 600, 250)
        await expect(ada.saved).to_have_text("Offline, changes wait")
        await bob.write_note("meanwhile", 300, 500)
        await expect(bob.objects).to_have_count(2)

        network.refuse = False
        for person in (ada, bob):
            for text in ("before", "offline", "meanwhile"):
                await expect(person.note(text)).to_be_visible()
        await expect(ada.saved).to_have_text("Saved")
        await expect(ada.link).to_have_text("Connected")
    assert await stored_texts(session) == ["before", "meanwhile", "offline"]
