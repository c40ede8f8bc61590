"""Unmodified `@hocuspocus/provider` 2, 3 and 4 on `/api/collab` (HOC; PROTOCOL: Hocuspocus)."""

from __future__ import annotations

import asyncio
import random
from uuid import uuid4

import pytest

from tests.helpers.hocuspocus_clients import VERSIONS, HocuspocusClients
from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.outages import database_stopped
from tests.helpers.proving import few_or_many
from tests.helpers.server_process import LiveSession, ServerProcess, mint
from tests.helpers.yjs_peer import contents
from tests.interop.agreement import agree

SET = "doc.getMap('objects').set(args.key, args.value)"
STAYS_UNSAVED_SECONDS = 1.0

each_version = pytest.mark.parametrize("version", VERSIONS)


async def saved(client: NodeClient) -> None:
    """The provider says that everything is stored."""
    await client.until("provider.unsyncedChanges === 0")


async def test_all_versions_and_y_websocket_edit_one_document(
    hocuspocus: HocuspocusClients, clients: NodeClients, session: LiveSession
) -> None:
    await clients.process.complaints()
    url = session.server.collab_url
    people = [await clients.join("yjs", session.invite(name="Y"))]
    for version in VERSIONS:
        socket = await hocuspocus.socket(url, version)
        people.append(await socket.enter(f"hoc-{version}", session.invite(name=f"H{version}")))
    for round_ in range(5):
        for person in people:
            await person.run(SET, key=f"{person.name}-{round_}", value="é" * round_)
            await person.run("doc.getText('text').insert(0, args.word)", word=person.name + "😀")
            await person.run("doc.getArray('list').push([args.word])", word=person.name)
    await agree(session, *people)
    for person in people[1:]:
        await saved(person)
        assert await person.field("scopes") == ["read-write"]
    await people[2].run("undo.undo()")
    await agree(session, *people)
    assert await clients.process.complaints() == []


async def test_presence_is_seen_across(
    hocuspocus: HocuspocusClients, clients: NodeClients, session: LiveSession
) -> None:
    people = [await clients.join("yjs", session.invite(name="Y"))]
    for version in VERSIONS:
        socket = await hocuspocus.socket(session.server.collab_url, version)
        people.append(await socket.enter(f"hoc-{version}", session.invite(name=f"H{version}")))
    for person in people:
        await person.run("awareness.setLocalStateField('cursor', args.at)", at=person.name)
    for person in people:
        for other in people:
            await person.until(
                "awareness.getStates().get(args.id)?.cursor === args.at",
                id=other.client_id,
                at=other.name,
            )
    seen = await people[0].present()
    names = [seen[person.client_id]["user"]["name"] for person in people]
    assert names == ["Y", "H2", "H3", "H4"]
    await people[1].run("provider.destroy()")
    await people[0].until("!awareness.getStates().has(args.id)", id=people[1].client_id)


@each_version
async def test_saved_is_not_shown_before_it_is(
    hocuspocus: HocuspocusClients, session: LiveSession, version: int
) -> None:
    """HOC-5, and the complaint *"saved" shown before it is*."""
    socket = await hocuspocus.socket(session.server.collab_url, version)
    ada = await socket.enter("ada", session.invite())
    await saved(ada)
    with database_stopped(session.server):
        await ada.run("client.unsynced.length = 0")
        for number in range(5):
            await ada.run(SET, key=f"k{number}", value=number)
        await asyncio.sleep(STAYS_UNSAVED_SECONDS)
        assert await ada.run("return provider.unsyncedChanges") == 5
        assert await ada.field("unsynced") == [1, 2, 3, 4, 5]
    await saved(ada)
    objects = contents(await session.stored())["objects"]
    assert objects == {f"k{number}": number for number in range(5)}
    assert await ada.field("unsynced") == [1, 2, 3, 4, 5, 4, 3, 2, 1, 0]


@each_version
async def test_after_a_forced_sync_saved_still_means_stored(
    hocuspocus: HocuspocusClients, session: LiveSession, version: int
) -> None:
    """HOC-6: a forced sync sets the provider's count to one, whatever was under way."""
    socket = await hocuspocus.socket(session.server.collab_url, version)
    ada = await socket.enter("ada", session.invite())
    await saved(ada)
    with database_stopped(session.server):
        for number in range(5):
            await ada.run(SET, key=f"k{number}", value=number)
        await ada.run("client.unsynced.length = 0; provider.forceSync(); provider.forceSync()")
        await ada.run(SET, key="after", value=True)
        await asyncio.sleep(STAYS_UNSAVED_SECONDS)
        assert await ada.run("return provider.unsyncedChanges") == 2
    await saved(ada)
    assert len(contents(await session.stored())["objects"]) == 6
    assert min(await ada.field("unsynced")) == 0
    count = await ada.run(SET + "; return provider.unsyncedChanges", key="again", value=1)
    assert count == 1
    await saved(ada)


@each_version
async def test_a_reader_is_told_and_refused(
    hocuspocus: HocuspocusClients, session: LiveSession, version: int
) -> None:
    """ACC-3, HOC-5, HOC-8, and the complaint *read-only is not enforced*."""
    socket = await hocuspocus.socket(session.server.collab_url, version)
    eve = await socket.enter("eve", session.invite("spectator"))
    await saved(eve)
    assert await eve.field("scopes") == ["readonly"]
    await eve.run("client.syncStatuses.length = 0")
    await eve.run(SET, key="graffiti", value=1)
    await eve.until("client.stateless.length > 0")
    [told] = await eve.field("stateless")
    assert told["event"] == "edit-refused"
    assert "editor" in told["reason"]
    await eve.until("client.syncStatuses.length > 0")
    assert await eve.field("syncStatuses") == [0]
    assert await eve.run("return provider.unsyncedChanges") == 1, "and it is not called saved"
    assert (await session.state())["objects"] == {}


@each_version
async def test_an_edit_that_is_taken_back_is_never_called_saved(
    hocuspocus: HocuspocusClients, clients: NodeClients, session: LiveSession, version: int
) -> None:
    """HOC-5: its author's copy is put right, and a forced sync puts the count right."""
    host = await clients.join("host", session.invite("host"))
    await host.run(
        "doc.getMap('objects').set('note',"
        " new Y.Map([['object_type', 'sticky'], ['is_locked', true], ['layer', 1]]))"
    )
    await agree(session, host)
    socket = await hocuspocus.socket(session.server.collab_url, version)
    ada = await socket.enter("ada", session.invite())
    await saved(ada)
    await ada.run("client.syncStatuses.length = 0; client.unsynced.length = 0")
    await ada.run("doc.getMap('objects').get('note').set('layer', 2)")
    await ada.until("client.syncStatuses.length === 1 && client.stateless.length === 1")
    assert await ada.field("syncStatuses") == [0]
    assert "lock" in (await ada.field("stateless"))[0]["reason"]
    await ada.until("doc.getMap('objects').get('note').get('layer') === 1")
    await ada.run(SET, key="legal", value=1)
    await ada.until("client.syncStatuses.length === 2")
    assert await ada.field("unsynced") == [1, 2, 1]
    await ada.run("provider.forceSync()")
    await saved(ada)
    await agree(session, host, ada)


@each_version
@pytest.mark.parametrize("token", ["rubbish", "expired", "for another session"])
async def test_a_refused_token_is_reported(
    hocuspocus: HocuspocusClients, session: LiveSession, version: int, token: str
) -> None:
    """HOC-4."""
    tokens = {
        "rubbish": "rubbish",
        "expired": session.invite(lifetime=-1).token,
        "for another session": mint(uuid4(), grants={f"ocw/{uuid4()}": "editor"}),
    }
    socket = await hocuspocus.socket(session.server.collab_url, version)
    eve = await socket.open("eve", f"ocw/{session.id}", tokens[token])
    await eve.until("client.refusals.length > 0")
    [reason] = await eve.field("refusals")
    assert reason
    assert await eve.field("scopes") == []
    assert await eve.run("return provider.synced") is False


@pytest.mark.parametrize("version", [3, 4])
async def test_a_refused_document_does_not_disturb_the_others(
    hocuspocus: HocuspocusClients, session: LiveSession, version: int
) -> None:
    """HOC-4, HOC-11, and the complaint *one bad message stops all rooms*. Version 2 hangs up when
    one of its documents is refused."""
    user = uuid4()
    other = await session.server.create_session()
    socket = await hocuspocus.socket(session.server.collab_url, version)
    ada = await socket.enter("ada", session.invite(user_id=user))
    bad = await socket.open("bad", f"ocw/{other.id}", session.invite(user_id=user).token)
    unknown = await socket.open("unknown", f"ocw/{uuid4()}", session.invite(user_id=user).token)
    room = await socket.open("room", f"xr/{uuid4()}", session.invite(user_id=user).token)
    for refused, word in ((bad, "part"), (unknown, "no such"), (room, "no such room")):
        await refused.until("client.refusals.length === 1")
        assert word in (await refused.field("refusals"))[0]
    ben = await socket.enter("ben", other.invite(user_id=user))
    await ada.run(SET, key="a", value=1)
    await ben.run(SET, key="b", value=1)
    await asyncio.gather(saved(ada), saved(ben))
    await other.end()
    await ben.until("client.refusals.length === 1")
    await ada.run(SET, key="a", value=2)
    await saved(ada)
    assert (await session.state())["objects"] == {"a": 2}
    assert await ada.run("return client.shared.sockets") == 1


@each_version
async def test_several_documents_share_a_socket(
    hocuspocus: HocuspocusClients, session: LiveSession, version: int
) -> None:
    """HOC-2."""
    user = uuid4()
    sessions = [session, *await session.server.create_sessions(4)]
    socket = await hocuspocus.socket(session.server.collab_url, version)
    people = [
        await socket.enter(f"doc-{number}", each.invite(user_id=user))
        for number, each in enumerate(sessions)
    ]
    for person in people:
        await person.run(SET, key=person.name, value=1)
    for each, person in zip(sessions, people, strict=True):
        await agree(each, person)
        assert (await each.state())["objects"] == {person.name: 1}


async def test_a_provider_that_names_itself_is_answered_by_that_name(
    hocuspocus: HocuspocusClients, session: LiveSession
) -> None:
    """HOC-2: version 4 may open one document several times on one socket."""
    user = uuid4()
    socket = await hocuspocus.socket(session.server.collab_url, 4)
    people = [
        await socket.enter(f"view-{number}", session.invite(user_id=user), sessionAwareness=True)
        for number in range(3)
    ]
    for person in people:
        await person.run(SET, key=person.name, value=1)
    await agree(session, *people)
    await people[0].run("provider.destroy()")
    await people[1].run(SET, key="later", value=1)
    await agree(session, *people[1:])


@each_version
async def test_offline_edits_come_after_a_restart_and_are_saved(
    hocuspocus: HocuspocusClients, session: LiveSession, version: int
) -> None:
    server: ServerProcess = session.server
    socket = await hocuspocus.socket(server.collab_url, version)
    ada = await socket.enter("ada", session.invite())
    await ada.run(SET, key="before", value=1)
    await saved(ada)
    await asyncio.to_thread(server.stop)
    await ada.until("!provider.synced")
    await ada.run(SET, key="offline", value=1)
    await asyncio.to_thread(server.start)
    await saved(ada)
    await agree(session, ada)
    assert (await session.state())["objects"] == {"before": 1, "offline": 1}
    # HOC-6: what it sends late it had counted before, and version 2 does not stop at zero.
    count = await ada.run(SET + "; return provider.unsyncedChanges", key="again", value=1)
    assert count == 1
    await saved(ada)


@pytest.mark.parametrize("version", [3, 4])
async def test_a_token_is_renewed_on_the_open_socket(
    hocuspocus: HocuspocusClients, session: LiveSession, version: int
) -> None:
    """HOC-10, and the complaint *no change of permission on an open socket*. Version 2 cannot."""
    user = uuid4()
    short = session.invite(user_id=user, lifetime=7.0)
    socket = await hocuspocus.socket(session.server.collab_url, version)
    ada = await socket.enter("ada", short)
    await ada.run("client.token = args.token", token=session.invite(user_id=user).token)
    await ada.until("client.asked === 2")
    await asyncio.sleep(8.0)
    await ada.run(SET, key="after", value=1)
    await saved(ada)
    assert await ada.run("return client.shared.sockets") == 1
    assert await ada.field("asked") == 2


@each_version
async def test_an_expired_token_closes_the_socket_and_a_new_one_brings_it_back(
    hocuspocus: HocuspocusClients, session: LiveSession, version: int
) -> None:
    """The complaint *expiry is not enforced*."""
    user = uuid4()
    socket = await hocuspocus.socket(session.server.collab_url, version)
    ada = await socket.enter("ada", session.invite(user_id=user, lifetime=2.0))
    await ada.run("client.token = args.token", token=session.invite(user_id=user).token)
    await ada.until("client.shared.sockets === 2 && provider.synced && provider.isAuthenticated")
    [close] = await ada.run("return client.shared.closes")
    assert close["code"] == 4501
    await ada.run(SET, key="back", value=1)
    await agree(session, ada)


async def test_a_provider_without_a_token_may_use_that_of_the_address(
    hocuspocus: HocuspocusClients, session: LiveSession
) -> None:
    """HOC-3: version 2 says nothing of a token that it was not given, and begins at once."""
    for version in VERSIONS:
        url = f"{session.server.collab_url}?token={session.invite().token}"
        socket = await hocuspocus.socket(url, version)
        ada = await socket.open(f"ada-{version}", f"ocw/{session.id}", None)
        await ada.synced()
        await ada.run(SET, key=ada.name, value=1)
        await saved(ada)
    assert len((await session.state())["objects"]) == 3


EDIT = """
    const pick = args.pick
    const text = doc.getText('text')
    const list = doc.getArray('list')
    if (pick === 0) doc.getMap('objects').set('k' + args.at % 7, { by: args.at })
    else if (pick === 1) doc.getMap('objects').delete('k' + args.at % 7)
    else if (pick === 2) text.insert(args.at % (text.length + 1), 'é中')
    else if (pick === 3) { if (text.length) text.delete(args.at % text.length, 1) }
    else if (pick === 4) list.insert(args.at % (list.length + 1), [args.at])
    else if (list.length) list.delete(args.at % list.length, 1)
"""


CUT = "if (client.socket.status === 'connected') client.socket.webSocket.terminate()"


@pytest.mark.parametrize("seed", range(few_or_many(2, 20)))
async def test_random_editing_with_connections_that_are_cut(
    hocuspocus: HocuspocusClients, clients: NodeClients, session: LiveSession, seed: int
) -> None:
    """Everybody converges, and what is called saved in the end is in the database."""
    chance = random.Random(seed)
    writer = await clients.join("yjs", session.invite())
    people = []
    for version in VERSIONS:
        socket = await hocuspocus.socket(session.server.collab_url, version)
        people.append(await socket.enter(f"hoc-{version}", session.invite()))
    for _ in range(150):
        person = chance.choice([writer, *people])
        await person.run(EDIT, pick=chance.randrange(6), at=chance.randrange(1000))
        if chance.random() < 0.04:
            await chance.choice(people).run(CUT)
    for person in people:
        await person.until("provider.synced && provider.isAuthenticated")
    await asyncio.sleep(0.5)  # of a status on its way to it a provider that asks cannot know
    for person in people:
        assert min(await person.field("unsynced")) >= 0
        # A deletion while it was just coming leaves one too many, until it asks again.
        await person.run("if (provider.unsyncedChanges > 0) provider.forceSync()")
        await saved(person)
    await agree(session, writer, *people)
