"""Stock editors converge through the server, whatever types they edit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.server_process import LiveSession
from tests.helpers.yjs_peer import YjsPeer, contents
from tests.interop.agreement import agree

VERSIONS = ("3.1", "3.0")


@dataclass(frozen=True)
class Scenario:
    """What two people do at the same time, after a common beginning, and what must come of it.

    Attributes:
        beginning, ada, bob: function bodies; see `clients.mjs`.
        outcome: an expression that holds for everybody in the end.
    """

    ada: str
    bob: str
    outcome: str
    beginning: str = ""


SCENARIOS = {
    "map": Scenario(
        ada="for (let i = 0; i < 50; i++) doc.getMap('objects').set('a' + i, i)",
        bob="for (let i = 0; i < 50; i++) doc.getMap('objects').set('b' + i, i)",
        outcome="Object.keys(contents().objects).length === 100",
    ),
    "one key of a map": Scenario(
        ada="doc.getMap('objects').set('winner', 'ada')",
        bob="doc.getMap('objects').set('winner', 'bob')",
        outcome="['ada', 'bob'].includes(contents().objects.winner)",
    ),
    "text": Scenario(
        beginning="doc.getText('text').insert(0, 'middle')",
        ada="'start '.split('').forEach((c, i) => doc.getText('text').insert(i, c))",
        bob="' end'.split('').forEach((c, i) => doc.getText('text').insert(6 + i, c))",
        outcome="doc.getText('text').toString() === 'start middle end'",
    ),
    "text outside the first plane": Scenario(
        ada="doc.getText('text').insert(0, 'a\\u{1F469}\\u200D\\u{1F680}b')",
        bob="doc.getMap('objects').set('\\u{1F680}', 'caf\\u00E9 \\u4E2D')",
        outcome="doc.getText('text').toString() === 'a\\u{1F469}\\u200D\\u{1F680}b'"
        " && contents().objects['\\u{1F680}'] === 'caf\\u00E9 \\u4E2D'",
    ),
    "formatted text": Scenario(
        beginning="doc.getText('text').insert(0, 'bold and italic')",
        ada="doc.getText('text').format(0, 4, { bold: true })",
        bob="doc.getText('text').format(9, 6, { italic: true });"
        "doc.getText('text').insertEmbed(6, { image: 'x.png' })",
        outcome="JSON.stringify(contents().text) === JSON.stringify(["
        "{insert: 'bold', attributes: {bold: true}}, {insert: ' a'}, {insert: {image: 'x.png'}},"
        " {insert: 'nd '}, {insert: 'italic', attributes: {italic: true}}])",
    ),
    "array": Scenario(
        beginning="doc.getArray('list').insert(0, [1, 2, 3])",
        ada="doc.getArray('list').insert(0, ['first', { deep: [null, true, 1.5] }])",
        bob="doc.getArray('list').push(['last', new Uint8Array([1, 2])])",
        outcome="contents().list.length === 7 && contents().list[0] === 'first'"
        " && contents().list[5] === 'last'",
    ),
    "nested types": Scenario(
        beginning="""
            const shape = new Y.Map()
            shape.set('points', Y.Array.from([[0, 0], [1, 1]]))
            shape.set('label', new Y.Text('box'))
            doc.getMap('objects').set('shape', shape)""",
        ada="doc.getMap('objects').get('shape').get('points').push([[2, 2]])",
        bob="""
            const shape = doc.getMap('objects').get('shape')
            shape.get('label').insert(3, ' two')
            shape.set('inner', new Y.Map([['x', new Y.Map([['y', 1]])]]))""",
        outcome="contents().objects.shape?.points.length === 3"
        " && contents().objects.shape.label === 'box two'"
        " && contents().objects.shape.inner?.x.y === 1",
    ),
    "xml": Scenario(
        beginning="""
            const paragraph = new Y.XmlElement('p')
            paragraph.insert(0, [new Y.XmlText('hello')])
            doc.getXmlFragment('xml').insert(0, [paragraph])""",
        ada="doc.getXmlFragment('xml').get(0).setAttribute('class', 'lead')",
        bob="""
            doc.getXmlFragment('xml').get(0).get(0).insert(5, ' world')
            doc.getXmlFragment('xml').insert(1, [new Y.XmlElement('hr')])""",
        outcome="contents().xml === '<p class=\"lead\">hello world</p><hr></hr>'",
    ),
    "deletions": Scenario(
        beginning="""
            for (const key of ['a', 'b', 'c']) doc.getMap('objects').set(key, key)
            doc.getArray('list').insert(0, [0, 1, 2, 3, 4, 5])
            doc.getText('text').insert(0, 'abcdef')""",
        ada="""
            doc.getMap('objects').delete('a')
            doc.getArray('list').delete(0, 3)
            doc.getText('text').delete(0, 3)""",
        bob="""
            doc.getMap('objects').delete('b')
            doc.getArray('list').delete(2, 2)
            doc.getText('text').delete(2, 2)""",
        outcome="JSON.stringify([contents().objects, contents().list,"
        ' doc.getText(\'text\').toString()]) === \'[{"c":"c"},[4,5],"ef"]\'',
    ),
    "deleting what the other one edits": Scenario(
        beginning="doc.getMap('objects').set('shape', new Y.Map([['x', 1]]))",
        ada="doc.getMap('objects').delete('shape')",
        bob="const shape = doc.getMap('objects').get('shape');"
        "for (let x = 2; x < 20; x++) shape.set('x', x)",
        outcome="contents().objects.shape === undefined",
    ),
    "many types in one transaction": Scenario(
        ada="""
            doc.transact(() => {
              for (let i = 0; i < 200; i++) {
                const entries = [['n', i], ['t', new Y.Text('t' + i)]]
                doc.getMap('objects').set('o' + i, new Y.Map(entries))
              }
              for (let i = 0; i < 100; i++) doc.getMap('objects').delete('o' + i)
            })""",
        bob="doc.getArray('list').push(Array.from({ length: 500 }, (_, i) => i))",
        outcome="Object.keys(contents().objects).length === 100"
        " && contents().objects.o150.t === 't150' && contents().list.length === 500",
    ),
}


async def two_editors(
    clients: NodeClients, session: LiveSession, version: str = "3.1"
) -> tuple[NodeClient, NodeClient]:
    ada = await clients.join("ada", session.invite(name="Ada"), version=version)
    bob = await clients.join("bob", session.invite(name="Bob"), version=version)
    return ada, bob


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_two_editors_converge(
    clients: NodeClients, session: LiveSession, name: str, version: str
) -> None:
    scenario = SCENARIOS[name]
    ada, bob = await two_editors(clients, session, version)
    await ada.run(scenario.beginning)
    await agree(session, ada, bob)
    for person in (ada, bob):
        await person.run("provider.ws.pause()")  # so that neither hears of the other in between
    await asyncio.gather(ada.run(scenario.ada), bob.run(scenario.bob))
    for person in (ada, bob):
        await person.run("provider.ws.resume()")
    await asyncio.gather(ada.until(scenario.outcome), bob.until(scenario.outcome))
    await agree(session, ada, bob)
    assert await ada.field("sockets") == await bob.field("sockets") == 1


async def test_undo_and_redo_take_back_only_ones_own_edits(
    clients: NodeClients, session: LiveSession
) -> None:
    ada, bob = await two_editors(clients, session)
    await ada.run("doc.getMap('objects').set('a', 1); doc.getText('text').insert(0, 'ada')")
    await bob.until("doc.getText('text').toString() === 'ada'")
    await bob.run("doc.getMap('objects').set('b', 1); doc.getText('text').insert(3, ' bob')")
    await ada.until("doc.getText('text').toString() === 'ada bob'")

    await ada.run("undo.undo()")
    await bob.until("doc.getText('text').toString() === ' bob'")
    await ada.run("undo.undo()")
    await bob.until("!('a' in contents().objects)")
    assert await bob.run("return contents().objects") == {"b": 1}
    await ada.run("undo.redo(); undo.redo()")
    await bob.until("contents().objects.a === 1 && doc.getText('text').toString() === 'ada bob'")
    await agree(session, ada, bob)


async def test_edits_made_offline_by_both_are_united(
    clients: NodeClients, session: LiveSession
) -> None:
    ada, bob = await two_editors(clients, session)
    await asyncio.gather(ada.run("provider.disconnect()"), bob.run("provider.disconnect()"))
    await ada.run("doc.getMap('objects').set('a', 1); doc.getArray('list').push([1])")
    await bob.run("doc.getMap('objects').set('b', 1); doc.getArray('list').push([2])")
    await asyncio.gather(ada.run("provider.connect()"), bob.run("provider.connect()"))
    outcome = "contents().objects.a && contents().objects.b && contents().list.length === 2"
    await asyncio.gather(ada.until(outcome), bob.until(outcome))
    await agree(session, ada, bob)


async def test_somebody_who_joins_late_gets_everything(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite())
    await ada.run("for (let i = 0; i < 2000; i++) doc.getMap('objects').set('k' + i % 500, i)")
    await ada.run("doc.getMap('objects').delete('k0'); doc.getText('text').insert(0, 'x')")
    await agree(session, ada)
    bob = await clients.join("bob", session.invite())
    assert await bob.contents() == await ada.contents()


async def test_a_synced_provider_says_so_even_when_there_is_nothing(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite())
    assert await ada.field("syncs") == 1
    await ada.run("provider.disconnect(); provider.connect()")
    await ada.until("client.syncs === 2")


async def test_synced_means_everything_that_others_have_seen(
    clients: NodeClients, session: LiveSession
) -> None:
    """Pages fill an empty document when they have synced: it must not only look empty."""
    ada, bob = await two_editors(clients, session)
    await ada.run("doc.getMap('objects').set('template', 1)")
    await bob.until("contents().objects.template === 1")
    carol = await clients.join("carol", session.invite())
    assert (await carol.field("syncedWith"))["objects"] == {"template": 1}


async def test_other_implementations_meet(clients: NodeClients, session: LiveSession) -> None:
    """yjs in Node and yrs in Python edit one document."""
    ada = await clients.join("ada", session.invite())
    async with await YjsPeer.join(session.invite().url) as bob:
        await ada.run("doc.getText('text').insert(0, '\\u{1F680}'); doc.getArray('list').push([1])")
        await bob.until(lambda: str(bob.text) == "\U0001f680" and bob.list.to_py() == [1.0])
        bob.text += " café"
        bob.objects["from"] = {"python": [1, None, "ü"]}
        await ada.until("contents().objects.from && doc.getText('text').length > 3")
        assert await ada.run("return doc.getText('text').toString()") == "\U0001f680 café"
        assert contents(await ada.update()) == bob.contents()
        await agree(session, ada)


async def test_a_room_of_twelve_converges(clients: NodeClients, session: LiveSession) -> None:
    """Above eight members broadcasts may be paced and merged; nobody may notice."""
    people = [await clients.join(f"p{number}", session.invite()) for number in range(12)]
    await asyncio.gather(
        *(
            person.run(
                """
                for (let i = 0; i < 30; i++) {
                  doc.getMap('objects').set(`${args.number}-${i}`, i)
                  doc.getText('text').insert(0, args.number + ' ')
                  if (i % 10 === 0) await new Promise(resolve => setTimeout(resolve, 5))
                }""",
                number=number,
            )
            for number, person in enumerate(people)
        )
    )
    outcome = "Object.keys(contents().objects).length === 360"
    await asyncio.gather(*(person.until(outcome) for person in people))
    await agree(session, *people)


async def test_stock_clients_find_nothing_to_complain_about(
    clients: NodeClients, session: LiveSession
) -> None:
    """They log messages they do not know; without `?ack=1` none is sent."""
    await clients.process.complaints()
    ada, bob = await two_editors(clients, session)
    await ada.run("doc.getMap('objects').set('a', 1)")
    await bob.until("contents().objects.a")
    await ada.cut()
    await ada.until("client.syncs === 2")
    await agree(session, ada, bob)
    assert await clients.process.complaints() == []
