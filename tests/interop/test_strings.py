"""NUL, lone surrogates and other awkward text in every string there is."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.helpers import raw_updates as raw
from tests.helpers.node_clients import NodeClients
from tests.helpers.server_process import LiveSession, ServerProcess, mint
from tests.helpers.yjs_peer import YjsPeer, awareness, contents, sync_update, var_bytes
from tests.interop.agreement import agree

AWKWARD = {
    "NUL": r"\u0000",
    "NUL within": r"a\u0000b",
    "a lone high surrogate": r"a\ud83d",
    "a lone low surrogate": r"\udc00b",
    "surrogates the wrong way round": r"\udc00\ud83d",
    "the last character": r"\u{10ffff}",
    "not a character": r"\uffff",
    "marks that turn text around": r"\u202eabc\u202c",
    "the empty string": "",
}
HALVES = sorted(name for name, text in AWKWARD.items() if text.startswith((r"\udc", r"a\ud")))


@pytest.mark.parametrize("name", AWKWARD)
async def test_any_string_may_stand_anywhere(
    clients: NodeClients, session: LiveSession, name: str
) -> None:
    """As key, value, text, format, attribute, name of a root, and in presence."""
    ada = await clients.join("ada", session.invite())
    bob = await clients.join("bob", session.invite())
    await ada.run(
        f"""
        const s = '{AWKWARD[name]}'
        doc.getMap('objects').set(s, 1)
        doc.getMap('objects').set('value', s)
        doc.getMap('objects').set('deep', {{ [s]: [s, {{ [s]: s }}] }})
        doc.getMap('objects').set('nested', new Y.Map([[s, new Y.Text(s)]]))
        doc.getArray('list').push([s])
        doc.getText('text').insert(0, 'x' + s)
        doc.getText('text').format(0, 1, {{ [s]: s }})
        doc.getText('text').insertEmbed(0, {{ [s]: s }})
        const element = new Y.XmlElement('p')
        element.setAttribute('title', s)
        doc.getXmlFragment('xml').insert(0, [element])
        doc.getMap(s).set(s, s)
        awareness.setLocalStateField('s' + s, s)
        doc.getMap('objects').set('last', 1)""",
    )
    await bob.until("contents().objects.last === 1")
    assert await ada.field("sockets") == 1
    if name not in HALVES:
        # In its own page an author still sees the half that no wire carries.
        await agree(session, ada)
    await agree(session, bob)
    await bob.until(
        "Object.keys(awareness.getStates().get(args.ada) ?? {}).some(key => key[0] === 's')",
        ada=ada.client_id,
    )
    state = (await session.state())["objects"]
    assert state["last"] == 1
    assert {"value", "deep", "nested"} <= set(state)


@pytest.mark.parametrize("name", HALVES)
async def test_grd_26_a_surrogate_in_a_format_is_replaced_for_everybody_else(
    clients: NodeClients, session: LiveSession, name: str
) -> None:
    ada = await clients.join("ada", session.invite())
    bob = await clients.join("bob", session.invite())
    await ada.run("doc.getText('text').insert(0, 'text')")
    await agree(session, ada, bob)
    await ada.run(f"doc.getText('text').format(0, 1, {{ bold: '{AWKWARD[name]}' }})")
    await ada.run(f"doc.getText('text').insertEmbed(4, {{ '{AWKWARD[name]}': 1 }})")
    await bob.until("doc.getText('text').toDelta().length === 3")
    carol = await clients.join("carol", session.invite())
    await carol.until("doc.getText('text').toString() === 'text'")
    await agree(session, bob, carol)
    for reader in (bob, carol):
        delta = await reader.run("return doc.getText('text').toDelta()")
        replaced = AWKWARD[name].replace(r"\ud83d", "\ufffd").replace(r"\udc00", "\ufffd")
        assert delta[0] == {"insert": "t", "attributes": {"bold": replaced}}
        assert delta[-1] == {"insert": {replaced: 1}}
    assert await ada.field("sockets") == await bob.field("sockets") == 1


async def test_awkward_strings_survive_a_reload(clients: NodeClients, session: LiveSession) -> None:
    """What is stored can be opened again, and is the same."""
    ada = await clients.join("ada", session.invite())
    for text in AWKWARD.values():
        await ada.run(f"doc.getMap('objects').set('k{text}', '{text}')")
    await agree(session, ada)
    before = contents(await session.update())
    await ada.run("provider.disconnect()")
    # Read back from the log, as the server does when it opens the document.
    assert contents(await session.stored()) == before
    assert len(before["objects"]) >= len(AWKWARD) - 2  # some become the same replacement character


async def test_bytes_that_are_no_utf8_are_refused(session: LiveSession) -> None:
    """A surrogate written as UTF-8 would be one, and PostgreSQL's text takes none."""
    for text in (b"\xed\xa0\x80", b"\xff", b"\xc0\x80", b"\xf5\x80\x80\x80"):
        update = raw.update(
            raw.section(7, 0, b"\x28\x01\x07objects" + var_bytes(text) + b"\x01\x7e")
        )
        async with await YjsPeer.join(session.invite().url) as mallory:
            mallory.send(sync_update(update))
            assert (await mallory.until_closed())[0] == 4400
    assert (await session.state())["objects"] == {}


async def test_surrogates_in_presence_reach_the_others_as_json(session: LiveSession) -> None:
    """JSON can spell what UTF-8 cannot."""
    async with (
        await YjsPeer.join(session.invite().url) as ada,
        await YjsPeer.join(session.invite().url) as bob,
    ):
        ada.send(awareness([(ada.client_id, 1, r'{"a":"\ud800","b\u0000":"\u0000"}')]))
        await bob.until(lambda: ada.client_id in bob.others)
        state = bob.others[ada.client_id]
        assert state["b\x00"] == "\x00"
        assert state["a"] in ("\ud800", "\ufffd")


@pytest.mark.parametrize("name", ["\0", "a\0b", "\u202eabc", "x" * 5000, "\U0001f680", " \t\n "])
async def test_any_name_in_a_token_can_be_shown(session: LiveSession, name: str) -> None:
    async with (
        await YjsPeer.join(session.invite().url) as ada,
        await YjsPeer.join(session.invite(name=name).url, state={}) as bob,
    ):
        await ada.until(lambda: ada.others)
        shown = ada.others[bob.client_id]["user"]["name"]
        assert shown
        assert "\0" not in shown
        assert len(shown) <= 128


async def test_awkward_text_in_a_request_is_answered_not_dropped(server: ServerProcess) -> None:
    headers = {"Authorization": f"Bearer {mint(uuid4(), is_service=True)}"}
    bodies: list[dict[str, Any]] = [
        {"workspace_id": str(uuid4()), "session_type": "whiteboard", "config": {"a": "\0"}},
        {"workspace_id": str(uuid4()), "session_type": "whiteboard", "config": {"\ud800": 1}},
        {"workspace_id": str(uuid4()) + "\0", "session_type": "whiteboard"},
    ]
    async with httpx.AsyncClient(headers=headers) as http:
        for body in bodies:
            content = json.dumps(body)
            response = await http.post(
                f"{server.api}/ocw/sessions",
                content=content,
                headers={"Content-Type": "application/json"},
            )
            assert 400 <= response.status_code < 500
            assert response.json()["success"] is False
