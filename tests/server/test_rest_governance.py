"""Reading the audit trail by REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from crdt_docs.identifiers import ActorKind
from persistence.audit_ports import AuditEntry, AuditEvent, Origin
from persistence.memory_audit import MemoryAuditStore
from tests.server.rest_client import Api, Caller, refusal
from tests.server.xr_callers import make_room

AUDIT = "/api/governance/audit"


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    made = Api(tmp_path)
    async with made.client:
        yield made


async def trail(api: Api, *told: AuditEvent) -> None:
    """Put events into the trail, a second apart."""
    store = api.services.audits
    assert isinstance(store, MemoryAuditStore)
    first = api.forge.clock()
    await store.add(
        [AuditEntry(first + timedelta(seconds=n), event) for n, event in enumerate(told)]
    )


def event(action: str, actor: UUID | None, session: Any = None, **more: Any) -> AuditEvent:
    kind = None if actor is None else ActorKind.USER
    session_id = None if session is None else UUID(session["id"])
    return AuditEvent(action, actor, kind, session_id=session_id, **more)


async def actions(caller: Caller, **query: str) -> list[str]:
    answer = await caller.get(AUDIT, params=query)
    assert answer.status_code == 200, answer.text
    return [item["action"] for item in answer.json()["data"]["items"]]


async def test_a_service_reads_everything(api: Api) -> None:
    host = api.caller()
    session = await host.create()
    await trail(api, event("a.a", host.user_id, session), event("token.made", uuid4()))
    assert await actions(api.service()) == ["token.made", "a.a"]


async def test_a_service_reads_its_workspaces(api: Api) -> None:
    host, other = api.caller(), api.caller()
    mine, theirs = await host.create(), await other.create()
    await trail(
        api,
        event("a.a", host.user_id, mine),
        event("b.b", host.user_id, theirs),
        event("c.c", None),
    )
    service = api.service(workspaces=[str(host.workspace)])
    assert await actions(service) == ["a.a"]
    assert await actions(service, session_id=theirs["id"]) == []
    assert await actions(api.service(workspaces=[])) == []


async def test_a_host_reads_their_session(api: Api) -> None:
    host, other = api.caller(), api.caller()
    mine, theirs = await host.create(), await other.create()
    await trail(api, event("a.a", host.user_id, mine), event("b.b", host.user_id, theirs))
    assert await actions(host, session_id=mine["id"]) == ["a.a"]
    assert refusal(await host.get(AUDIT)) == (403, "FORBIDDEN")
    denied = await host.get(AUDIT, params={"session_id": theirs["id"]})
    assert refusal(denied) == (403, "FORBIDDEN")


async def test_a_host_reads_their_room(api: Api) -> None:
    anna, guest = api.caller(), api.caller()
    room = await make_room(anna, is_public=True)
    await trail(api, event("a.a", anna.user_id, room), event("b.b", anna.user_id))
    assert await actions(anna, session_id=room["id"]) == ["a.a"]
    assert await actions(api.service(workspaces=[str(anna.workspace)])) == ["a.a"]
    denied = await guest.get(AUDIT, params={"session_id": room["id"]})
    assert refusal(denied) == (403, "FORBIDDEN")
    unknown = await anna.get(AUDIT, params={"session_id": str(uuid4())})
    assert refusal(unknown) == (404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize("role", ["editor", "viewer"])
async def test_others_do_not_read_it(api: Api, role: str) -> None:
    host, guest = api.caller(), api.caller()
    session = await host.create(config={"default_role": role})
    denied = await guest.get(AUDIT, params={"session_id": session["id"]})
    assert refusal(denied) == (403, "FORBIDDEN")


async def test_a_service_in_somebodys_name_reads_what_they_may(api: Api) -> None:
    host = api.caller()
    session = await host.create()
    await trail(api, event("a.a", host.user_id, session))
    service = api.service()
    headers = {"X-Acting-User": str(host.user_id)}
    assert refusal(await service.get(AUDIT, headers=headers)) == (403, "FORBIDDEN")
    answer = await service.get(AUDIT, params={"session_id": session["id"]}, headers=headers)
    assert len(answer.json()["data"]["items"]) == 1


async def test_filters(api: Api) -> None:
    ana, ben = uuid4(), uuid4()
    await trail(api, event("a.a", ana), event("b.b", ana), event("a.a", ben), event("b.b", ben))
    service, start = api.service(), api.forge.clock()

    def after(seconds: int) -> str:
        return (start + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    assert await actions(service, action="a.a") == ["a.a", "a.a"]
    assert await actions(service, user_id=str(ana)) == ["b.b", "a.a"]
    assert await actions(service, user_id=str(uuid4())) == []
    assert await actions(service, **{"from": after(1), "to": after(3)}) == ["a.a", "b.b"]


async def test_pages(api: Api) -> None:
    await trail(api, *(event(f"a.n{'x' * n}", None) for n in range(5)))
    service, cursor, seen = api.service(), None, []
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        data = (await service.get(AUDIT, params=params)).json()["data"]
        seen += [len(item["action"]) - 3 for item in data["items"]]
        cursor = data["next_cursor"]
        if cursor is None:
            break
    assert seen == [4, 3, 2, 1, 0]
    wrong = await service.get(AUDIT, params={"cursor": "wrong"})
    assert refusal(wrong) == (400, "INVALID_CURSOR")


async def test_persons_stand_by_pseudonyms_that_mean_somebody(api: Api) -> None:
    ana, ben = uuid4(), uuid4()
    await trail(api, event("a.a", ana, target=f"user/{ben}"))
    (item,) = (await api.service().get(AUDIT)).json()["data"]["items"]
    target = item["target"].removeprefix("user/")
    assert item["persons"] == {item["actor"]: str(ana), target: str(ben)}
    assert str(ana) not in {item["actor"], target}
    store = api.services.audits
    assert isinstance(store, MemoryAuditStore)
    del store.subjects[ana]
    (later,) = (await api.service().get(AUDIT)).json()["data"]["items"]
    assert later["actor"] == item["actor"]
    assert later["persons"] == {target: str(ben)}


async def test_hosts_are_not_told_where_their_guests_are(api: Api) -> None:
    host, guest, identity = api.caller(), uuid4(), uuid4()
    session = await host.create()
    origin = Origin("request", identity, "192.0.2.0/24")
    await trail(api, event("socket.joined", guest, session, origin=origin))
    params = {"session_id": session["id"]}
    (full,) = (await api.service().get(AUDIT, params=params)).json()["data"]["items"]
    assert (full["request_id"], full["network"]) == ("request", "192.0.2.0/24")
    assert set(full["persons"].values()) == {str(guest), str(identity)}
    (item,) = (await host.get(AUDIT, params=params)).json()["data"]["items"]
    assert (item["request_id"], item["identity_id"], item["network"]) == (None, None, None)
    assert item["persons"] == {item["actor"]: str(guest)}


async def test_whoever_reads_the_trail_is_in_it_once(api: Api) -> None:
    await trail(api, *(event("a.a", None) for _ in range(3)))
    service, person = api.service(), uuid4()
    params = {"limit": "2", "action": "a.a"}
    data = (await service.get(AUDIT, params=params)).json()["data"]
    await service.get(AUDIT, params={**params, "cursor": data["next_cursor"]})
    (reading,) = api.audit.events
    assert (reading.action, reading.actor) == ("audit.read", service.user_id)
    assert reading.details == {"action": "a.a"}
    await service.get(AUDIT, params={"user_id": str(person)})
    assert api.audit.events[-1].details == {"user": person}


@pytest.mark.parametrize("action", ["x", "A.B", "a.b.c", "a." + "b" * 40])
async def test_an_action_has_its_shape(api: Api, action: str) -> None:
    answer = await api.service().get(AUDIT, params={"action": action})
    assert refusal(answer) == (400, "INVALID_PARAMETER")
