"""The harness itself: what is installed, and that it tells when something is wrong."""

from __future__ import annotations

import json

import pytest

from tests.helpers.node_clients import HARNESS, NodeClients, NodeError
from tests.helpers.server_process import LiveSession
from tests.helpers.yjs_peer import YjsPeer


def test_the_lock_file_names_versions_and_no_addresses() -> None:
    text = (HARNESS / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert packages["node_modules/y-websocket"]["version"] == "3.1.0"
    assert all("integrity" in package for name, package in packages.items() if name)


async def test_what_javascript_throws_fails_the_test(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite())
    with pytest.raises(NodeError, match="not a function"):
        await ada.run("doc.noSuchThing()")
    with pytest.raises(NodeError, match="still not"):
        await ada.until("false", timeout=0.05)


async def test_the_shortened_watchdog_is_the_providers_own(
    clients: NodeClients, session: LiveSession
) -> None:
    """Only the age of the last frame is changed; who never waits so long does not notice."""
    ada = await clients.join("ada", session.invite(), watchdog=20.0)
    age = await ada.run("return Date.now() - provider.wsLastMessageReceived")
    assert 10_000 <= age < 12_000


async def test_a_peer_that_waits_in_vain_says_so(session: LiveSession) -> None:
    async with await YjsPeer.join(session.invite().url) as peer:
        with pytest.raises(TimeoutError, match="connections ended"):
            await peer.until(lambda: False, seconds=0.05)
