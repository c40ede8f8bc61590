"""Who may not edit cannot change a byte of anybody's copy, and is told why (ACC-1, ACC-3)."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from pycrdt import Doc, Map

from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.server_process import LiveSession
from tests.helpers.yjs_peer import YjsPeer, contents, step2, sync_update
from tests.interop.agreement import agree

READERS = ("viewer", "spectator")

FURNISH = """
    doc.getMap('objects').set('shape', new Y.Map([['x', 1], ['label', new Y.Text('box')]]))
    doc.getMap('objects').set('plain', 'value')
    doc.getArray('list').insert(0, [1, 2, 3])
    doc.getText('text').insert(0, 'precious')
    const paragraph = new Y.XmlElement('p')
    paragraph.insert(0, [new Y.XmlText('hello')])
    doc.getXmlFragment('xml').insert(0, [paragraph])"""

WRECK = """
    doc.transact(() => {
      for (const key of [...doc.getMap('objects').keys()]) doc.getMap('objects').delete(key)
      doc.getArray('list').delete(0, doc.getArray('list').length)
      doc.getText('text').delete(0, doc.getText('text').length)
      doc.getXmlFragment('xml').delete(0, doc.getXmlFragment('xml').length)
    })
    doc.getMap('objects').set('shape', 'wrecked')
    doc.getMap('objects').set('forged', new Y.Map([['x', 666]]))
    doc.getText('text').insert(0, 'graffiti')
    doc.getArray('list').push(['graffiti'])
    undo.undo()
    undo.redo()"""


async def furnished(clients: NodeClients, session: LiveSession) -> NodeClient:
    """An editor with a document worth protecting, and something to undo."""
    ada = await clients.join("ada", session.invite(name="Ada"))
    await ada.run(FURNISH)
    await agree(session, ada)
    return ada


async def is_untouched(session: LiveSession, ada: NodeClient, before: dict[str, Any]) -> None:
    """Nobody's copy has changed: the editor's, the server's, the stored one, a newcomer's."""
    assert await ada.contents() == before
    await agree(session, ada)
    async with await YjsPeer.join(session.invite().url) as newcomer:
        assert newcomer.contents() == contents(await ada.update())


async def has_undo(ada: NodeClient) -> None:
    """The editor's undo history works as if nothing had happened."""
    assert await ada.run("return doc.getXmlFragment('xml').length") == 1
    await ada.run("undo.undo()")
    assert await ada.run("return doc.getXmlFragment('xml').length") == 0
    await ada.run("undo.redo()")
    assert await ada.run("return contents().xml") == "<p>hello</p>"


@pytest.mark.parametrize("role", READERS)
async def test_a_reader_online_changes_nothing(
    clients: NodeClients, session: LiveSession, role: str
) -> None:
    ada = await furnished(clients, session)
    eve = await clients.join("eve", session.invite(role))
    before = await ada.contents()
    assert await eve.contents() == before
    frames = await ada.field("frames")
    await eve.run(WRECK)
    await eve.until("client.denials.length > 0")
    assert "editor" in (await eve.field("denials"))[0]
    await is_untouched(session, ada, before)
    await has_undo(ada)
    assert await eve.field("closes") == [], "a refusal is no reason to be sent away"
    # Nothing was relayed to the editor that came from the reader's edits.
    assert await ada.run("return [...Y.decodeStateVector(Y.encodeStateVector(doc)).keys()]") == [
        ada.client_id
    ]
    assert await ada.field("frames") >= frames


@pytest.mark.parametrize("role", READERS)
async def test_a_reader_offline_changes_nothing_by_coming_back(
    clients: NodeClients, session: LiveSession, role: str
) -> None:
    """Its answer to the server's step 1 holds everything it has done to its copy."""
    ada = await furnished(clients, session)
    eve = await clients.join("eve", session.invite(role))
    before = await ada.contents()
    await eve.run("provider.disconnect()")
    await eve.run(WRECK)
    await eve.run("provider.connect()")
    await eve.until("client.syncs === 2 && client.denials.length > 0")
    await is_untouched(session, ada, before)
    await has_undo(ada)


async def test_a_reader_still_hears_what_editors_do(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await furnished(clients, session)
    eve = await clients.join("eve", session.invite("viewer"))
    await eve.run(WRECK)
    await eve.until("client.denials.length > 0")
    await ada.run("doc.getMap('objects').set('after', 1); doc.getText('text').insert(8, '!')")
    await eve.until("contents().objects.after === 1")
    assert "!" in await eve.run("return doc.getText('text').toString()")


async def test_after_a_reload_a_reader_sees_the_truth(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await furnished(clients, session)
    invitation = session.invite("viewer")
    eve = await clients.join("eve", invitation)
    await eve.run(WRECK)
    await eve.until("client.denials.length > 0")
    await eve.destroy()
    eve = await clients.join("eve again", invitation)
    assert await eve.contents() == await ada.contents()
    assert await eve.field("denials") == [], "a reader who has done nothing is told nothing"


async def test_a_reader_with_nothing_of_its_own_is_told_nothing(
    clients: NodeClients, session: LiveSession
) -> None:
    """Also when it comes back with a full document, whose step 2 repeats all deletions."""
    ada = await furnished(clients, session)
    await ada.run("doc.getMap('objects').delete('plain'); doc.getText('text').delete(0, 3)")
    await agree(session, ada)
    eve = await clients.join("eve", session.invite("viewer"))
    for reconnects in (2, 3):
        await eve.run("provider.disconnect(); provider.connect()")
        await eve.until("client.syncs === args.n", n=reconnects)
    async with await YjsPeer.join(session.invite("spectator").url) as relay:
        relay.send(step2(relay.update()))
        relay.send(sync_update(relay.update()))
        await ada.run("doc.getMap('objects').set('last', 1)")
        await relay.until(lambda: "last" in relay.objects)
        assert relay.denials == []
    assert await eve.field("denials") == []


async def test_a_reader_cannot_bring_an_editors_edit_and_none_is_lost_by_it(
    clients: NodeClients, session: LiveSession
) -> None:
    """ACC-5: rights are the uploader's. The editor brings the same edit itself, later, in full."""
    ada = await furnished(clients, session)
    eve = await YjsPeer.join(session.invite("viewer").url)
    await ada.run("provider.disconnect()")
    await ada.run("doc.getMap('objects').set('offline', 1); doc.getText('text').insert(0, 'very ')")
    # The two meet elsewhere, over WebRTC say, and the reader is the first to be online again.
    with eve.doc.transaction():
        eve.doc.apply_update(await ada.update())
    await eve.until(lambda: eve.denials)
    assert "offline" not in (await session.state())["objects"]

    # The reader leaves: what was refused must not stand in the way of the editor's own edit.
    await eve.leave()
    await ada.run("provider.connect()")
    await ada.until("client.syncs === 2")
    bob = await clients.join("bob", session.invite())
    await bob.until("contents().objects.offline === 1")
    assert await bob.run("return doc.getText('text').toString()") == "very precious"
    await agree(session, ada, bob)


async def test_a_reader_that_borrows_an_editors_client_id_takes_nothing_from_it(
    clients: NodeClients, session: LiveSession
) -> None:
    """It writes under the editor's id, ahead of the editor; the editor's next edit still counts."""
    ada = await furnished(clients, session)
    eve = await YjsPeer.join(
        session.invite("viewer").url, client_id=ada.client_id, state={"here": 1}
    )
    for number in range(20):
        eve.objects["forged"] = number
    await eve.until(lambda: eve.denials)
    await eve.leave()
    await ada.run("doc.getMap('objects').set('genuine', 1)")
    bob = await clients.join("bob", session.invite())
    await bob.until("contents().objects.genuine === 1 && !('forged' in contents().objects)")
    await agree(session, ada, bob)


@pytest.mark.parametrize("role", READERS)
async def test_made_editor_by_a_token_the_next_edit_is_accepted(
    clients: NodeClients, session: LiveSession, role: str
) -> None:
    """ACC-4: without a gap, because the clocks that were refused are filled."""
    ada = await furnished(clients, session)
    reader = session.invite(role)
    eve = await clients.join("eve", reader)
    await eve.run("for (let i = 0; i < 10; i++) doc.getMap('objects').set('early' + i, i)")
    await eve.until("client.denials.length > 0")
    promoted = session.invite("editor", user_id=reader.user_id)
    await eve.run(
        "provider.disconnect(); provider.params.token = args.token; provider.connect()",
        token=promoted.token,
    )
    await eve.until("client.syncs === 2")
    await eve.run("doc.getMap('objects').set('late', 1)")
    await ada.until("contents().objects.late === 1")
    assert "early0" not in await ada.run("return contents().objects"), "refused is refused"
    assert (await session.state())["objects"]["late"] == 1
    await ada.run("doc.getMap('objects').set('answer', 1)")
    await eve.until("contents().objects.answer === 1")
    await agree(session)


async def test_made_editor_by_a_row_the_next_edit_is_accepted(
    clients: NodeClients, session: LiveSession
) -> None:
    """A participants row goes before what the token grants."""
    ada = await furnished(clients, session)
    invitation = session.invite("viewer")
    eve = await clients.join("eve", invitation)
    await eve.run("doc.getMap('objects').set('early', 1)")
    await eve.until("client.denials.length > 0")
    connection = await asyncpg.connect(session.server.database_dsn(), timeout=10)
    await connection.execute(
        "INSERT INTO ocw_participants (session_id, user_id, role) VALUES ($1, $2, 'editor')",
        session.id,
        invitation.user_id,
    )
    await connection.close()
    await eve.run("provider.disconnect(); provider.connect()")
    await eve.until("client.syncs === 2")
    await eve.run("doc.getMap('objects').set('late', 1)")
    await ada.until("contents().objects.late === 1")


async def test_made_editor_many_times_over_nothing_is_lost(session: LiveSession) -> None:
    """Refused and accepted edits in turn, from one document that never reloads."""
    reader = session.invite("viewer")
    editor = session.invite("editor", user_id=reader.user_id)
    eve = YjsPeer(state={"here": True})
    for turn in range(6):
        invitation = editor if turn % 2 else reader
        await eve.connect(invitation.url_with(ack="1"))
        await eve.until(lambda: eve.is_synced)
        denials = len(eve.denials)
        eve.objects[f"{'accepted' if turn % 2 else 'refused'}{turn}"] = turn
        if turn % 2 == 0:
            await eve.until(lambda before=denials: len(eve.denials) > before)  # type: ignore[misc] # mypy does not infer lambdas with defaults
        await eve.until_stored()
        await eve.leave()
    state = (await session.state())["objects"]
    assert {key for key in state if key.startswith("accepted")} == {
        "accepted1",
        "accepted3",
        "accepted5",
    }
    await agree(session)


async def test_a_reader_that_deletes_by_hand_written_updates_changes_nothing(
    clients: NodeClients, session: LiveSession
) -> None:
    """A delete set without structs: the smallest vandalism there is."""
    ada = await furnished(clients, session)
    before = await ada.contents()
    vandal: Doc[Any] = Doc()
    vandal.apply_update(await ada.update())
    known = vandal.get_state()
    vandal.get("objects", type=Map).clear()
    async with await YjsPeer.join(session.invite("viewer").url) as eve:
        eve.send(sync_update(vandal.get_update(known)))
        eve.send(step2(vandal.get_update()))
        await eve.until(lambda: eve.denials)
        await is_untouched(session, ada, before)
