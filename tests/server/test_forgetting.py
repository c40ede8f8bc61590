"""Somebody about whom much is held is told of it, and forgotten (PRV)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pycrdt import Map
from websockets.asyncio.client import connect

from crdt_docs.identifiers import DocumentKind, Identity, document_name
from persistence.audit_ports import AuditEvent
from persistence.personal_columns import COLUMNS, Fate
from persistence.pool import DatabasePool
from persistence.pool import connect as connect_to_database
from persistence.ports import StorageUnavailable
from persistence.privacy import PostgresPrivacyStore
from server.authentication import mint
from server.forgetting import Forgetting
from server.memory_stores import memory_stores
from tests.helpers.people import Person
from tests.helpers.verifying import findings
from tests.server.remembered import SECRET, Town, live_together, somebody, town
from tests.server.served import Served, served
from tests.server.test_xr_socket import Hall

STAYS = {
    (table, column)
    for table, columns in COLUMNS.items()
    for column, fate in columns.items()
    if fate in {Fate.CONTENT, Fate.PASSING}
}

EXPECTED = {
    ("audit_subjects", "user_id"),
    ("document_authors", "user_id"),
    ("document_snapshots", "created_by"),
    ("document_updates", "user_id"),
    ("kept_answers", "body"),
    ("kept_answers", "caller_id"),
    ("ocw_annotation_history", "changed_by"),
    ("ocw_annotation_history", "contributors"),
    ("ocw_annotations", "updated_by"),
    ("ocw_object_history", "changed_by"),
    ("ocw_object_history", "contributors"),
    ("ocw_objects", "created_by"),
    ("ocw_objects", "updated_by"),
    ("ocw_participants", "user_id"),
    ("ocw_sessions", "config"),
    ("ocw_sessions", "host_user_id"),
    ("token_families", "user_id"),
    ("user_sessions", "user_id"),
}
"""Where Ana is before, at the least: otherwise there was nothing to be forgotten."""

_COLUMNS = """
    SELECT table_name, column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT LIKE 'audit\\_log\\_%'
"""


async def places(dsn: str, user: UUID) -> set[tuple[str, str]]:
    """Every column of every table in which an id is, as a value or anywhere inside."""
    connection = await connect_to_database(dsn)
    found = set()
    for table, column, kind in await connection.fetch(_COLUMNS):
        if kind == "bytea":
            text = f"position(convert_to($1, 'UTF8') IN {column}) > 0"
            condition = f"{text} OR position({raw(user)} IN {column}) > 0"
        else:
            condition = f'strpos(lower("{column}"::text), $1) > 0'
        if await connection.fetchval(
            f"SELECT EXISTS (SELECT FROM {table} WHERE {condition})", str(user)
        ):
            found.add((table, column))
    await connection.close()
    return found


def raw(user: UUID) -> str:
    return f"'\\x{user.bytes.hex()}'::bytea"


async def history(there: Town, user: UUID) -> list[dict[str, Any]]:
    answer = await there.call(user, "GET", f"/ocw/sessions/{there.session_id}/history")
    items: list[dict[str, Any]] = answer.json()["data"]["items"]
    return items


def renamed(items: list[dict[str, Any]], user: UUID, alias: str) -> list[dict[str, Any]]:
    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(each) for each in value]
        return alias if value == str(user) else value

    names = {"changed_by", "contributors", "relayed_by"}
    return [{k: put(v) if k in names else v for k, v in item.items()} for item in items]


@pytest.fixture
def people() -> tuple[Person, Person]:
    return somebody(1), somebody(2)


async def forget(there: Town, user: UUID) -> Mapping[str, Any]:
    answer = await there.call(uuid4(), "DELETE", f"/privacy/users/{user}", is_service=True)
    data: Mapping[str, Any] = answer.json()["data"]
    return data


async def test_prv_1_somebody_is_in_no_column_any_more(
    own_database: str, tmp_path: Path, people: tuple[Person, Person]
) -> None:
    ana, ben = people
    a, b = ana.identity.user_id, ben.identity.user_id
    async with town(own_database, tmp_path) as there:
        await live_together(there, ana, ben, uuid4())
        before = await places(own_database, a)
        assert before >= EXPECTED - {("audit_subjects", "user_id"), ("user_sessions", "user_id")}
        told = await history(there, b)
        done = await forget(there, a)
        assert done["documents"] == 1
        assert done["mentioned_in"] == [str(there.session_id)]
        assert set(done["rows"]) >= {table for table, _ in EXPECTED - STAYS}
        assert await places(own_database, a) <= STAYS
        # Whoever was there has to come again, and finds everything.
        assert {seat.channel.closed for seat in there.seats} != {None}
        there.clear()
        await there.sit(ben)
        await there.settle()
        ben.edit(lambda objects: objects["one"].update({"layer": 9}))
        await there.settle()
        told_now = await history(there, b)
        (alias,) = {
            item["changed_by"] for item in told_now if item["changed_by"] not in (str(b), None)
        }
        assert alias != str(a)
        assert renamed(told, a, alias) == told_now[-len(told) :]
        again = await forget(there, a)
        assert (again["documents"], set(again["rows"]) - {"audit_subjects"}) == (0, set())
    assert await places(own_database, a) <= STAYS
    assert await findings(own_database) == []


async def test_prv_2_a_person_is_somebody_else_in_every_session(
    own_database: str, tmp_path: Path, people: tuple[Person, Person]
) -> None:
    ana, ben = people
    a = ana.identity.user_id
    async with town(own_database, tmp_path) as there:
        await live_together(there, ana, ben, uuid4())
        await there.found(a, key="second")
        await there.call(
            a, "POST", f"/ocw/sessions/{there.session_id}/objects", json={"object_type": "sticky"}
        )
        assert (await forget(there, a))["documents"] == 2
    connection = await connect_to_database(own_database)
    hosts = await connection.fetch(
        "SELECT session.host_user_id AS host, log.user_id = session.host_user_id AS is_same "
        "FROM ocw_sessions AS session JOIN documents ON name = 'ocw/' || session.id "
        "JOIN document_updates AS log ON log.document_id = documents.id "
        "WHERE log.seq = 1"
    )
    await connection.close()
    assert len({row["host"] for row in hosts} - {a}) == 2
    assert {row["is_same"] for row in hosts} == {True}


async def test_prv_4_the_trail_stays_and_names_nobody(
    own_database: str, tmp_path: Path, people: tuple[Person, Person]
) -> None:
    ana, ben = people
    a, service = ana.identity.user_id, uuid4()
    async with town(own_database, tmp_path) as there:
        await live_together(there, ana, ben, service)
        await forget(there, a)
        answer = await there.call(service, "GET", "/governance/audit?limit=100", is_service=True)
        items = answer.json()["data"]["items"]
        actions = {item["action"] for item in items}
        assert actions >= {
            "session.created",
            "participant.joined",
            "participant.role_changed",
            "socket.joined",
            "socket.left",
            "snapshot.named",
            "privacy.forgotten",
        }
        assert str(a) not in answer.text
        (forgotten,) = (item for item in items if item["action"] == "privacy.forgotten")
        created = next(item for item in items if item["action"] == "session.created")
        assert forgotten["target"] == f"user/{created['actor']}"
        assert created["actor"] not in created["persons"]
        mine = await there.call(service, "GET", f"/governance/audit?user_id={a}", is_service=True)
        assert mine.json()["data"]["items"] == []


async def test_prv_5_all_that_is_held_can_be_read(
    own_database: str, tmp_path: Path, people: tuple[Person, Person]
) -> None:
    ana, ben = people
    a, service = ana.identity.user_id, uuid4()
    async with town(own_database, tmp_path) as there:
        await live_together(there, ana, ben, service)
        path = f"/privacy/users/{a}"
        await there.call(service, "GET", f"/governance/audit?user_id={a}", is_service=True)
        held = (await there.call(service, "GET", path, is_service=True)).json()["data"]
        assert held["user_id"] == str(a)
        tables = {item["table"] for item in held["rows"]}
        written_later = {"audit_log", "audit_subjects", "user_sessions"}
        assert tables >= {table for table, _ in EXPECTED} - written_later
        assert "from the train" not in str(held)
        assert "why?" not in str(held)
        assert str(ben.identity.user_id) not in str(
            [item for item in held["rows"] if item["table"] == "ocw_participants"]
        )
        await forget(there, a)
        after = (await there.call(service, "GET", path, is_service=True)).json()["data"]
        assert {item["table"] for item in after["rows"]} <= {"revoked_tokens"}


async def test_prv_7_their_tokens_prove_nothing_and_their_sockets_close(
    own_database: str, tmp_path: Path, people: tuple[Person, Person]
) -> None:
    ana, ben = people
    a = ana.identity.user_id
    async with town(own_database, tmp_path) as there:
        await live_together(there, ana, ben, uuid4())
        token = there.token(a)
        await forget(there, a)
        assert all(seat.channel.closed is not None for seat in there.seats)
        headers = {"Authorization": f"Bearer {token}"}
        answer = await there.client.get("/api/ocw/sessions", headers=headers)
        assert answer.status_code == 401


async def test_prv_8_one_is_forgotten_after_the_other() -> None:
    begun: list[UUID] = []
    may_go_on = asyncio.Event()

    async def send_away(user: UUID) -> None:
        begun.append(user)
        await may_go_on.wait()

    forgetting = Forgetting(memory_stores().privacy, send_away=send_away)
    event = AuditEvent("privacy.forgotten", None, None)
    users = [uuid4(), uuid4()]
    both = [asyncio.create_task(forgetting.forget(user, event)) for user in users]
    for _ in range(10):
        await asyncio.sleep(0)
    assert begun == users[:1]
    may_go_on.set()
    await asyncio.gather(*both)
    assert begun == users


async def test_prv_8_who_cannot_be_forgotten_keeps_nobody_waiting() -> None:
    async def send_away(user: UUID) -> None:
        raise StorageUnavailable("away")

    forgetting = Forgetting(memory_stores().privacy, send_away=send_away)
    event = AuditEvent("privacy.forgotten", None, None)
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await forgetting.forget(uuid4(), event)


async def test_somebody_who_is_not_known_is_forgotten_too(pool: DatabasePool) -> None:
    store = PostgresPrivacyStore(pool)
    assert await store.documents_of(uuid4()) == []
    assert await store.mentions(uuid4()) == []
    assert [row async for row in store.held(uuid4())] == []


def by_a_service(server: Served) -> httpx.AsyncClient:
    """Asks the server as a service that no workspace bounds."""
    token = mint(
        SECRET.encode(),
        uuid4(),
        lifetime=timedelta(minutes=5),
        now=datetime.now(UTC),
        is_service=True,
    )
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}/api",
        headers={"Authorization": f"Bearer {token}"},
    )


async def test_prv_9_whose_first_edit_is_not_stored_yet_is_found() -> None:
    async with served("direct") as server:
        document, ana = document_name(DocumentKind.OCW, await server.session()), uuid4()
        host = await server.directory.open(document)
        server.documents.pause()
        host.edit(Identity(ana), lambda doc: doc.get("objects", type=Map).update({"one": 1}))
        async with by_a_service(server) as client:
            forgetting = asyncio.create_task(client.delete(f"/privacy/users/{ana}"))
            await asyncio.sleep(0.1)
            server.documents.resume()
            answer = await forgetting
            assert answer.json()["data"]["documents"] == 1
            held = await client.get(f"/privacy/users/{ana}")
            assert held.json()["data"]["rows"] == []


async def test_prv_9_what_goes_with_somebody_is_not_deleted_in_their_name_afterwards() -> None:
    async with served("direct") as server:
        hall, ana = await Hall(server).open(), uuid4()
        thing = {"id": "pet", "object_type": "model", "lifetime": "owner"}
        async with by_a_service(server) as client:
            answer = await client.post(
                f"/xr/rooms/{hall.id}/objects", json=thing, headers={"X-Acting-User": str(ana)}
            )
            assert answer.status_code == 201, answer.text
            async with connect(hall.url(user=ana)) as socket:
                await socket.recv()
                answer = await client.delete(f"/privacy/users/{ana}")
            assert answer.status_code == 200, answer.text
            answer = await client.get(f"/xr/rooms/{hall.id}/objects")
            assert answer.json()["data"]["items"] == []
            held = await client.get(f"/privacy/users/{ana}")
            assert held.json()["data"]["rows"] == []


@pytest.mark.parametrize("channel", ["asgi", "direct"])
async def test_prv_7_an_open_socket_is_closed_for_good(channel: str) -> None:
    async with served(channel) as server:
        session, user = await server.session(), uuid4()
        async with connect(server.url(session, server.token(user))) as socket:
            await socket.recv()
            async with by_a_service(server) as client:
                answer = await client.delete(f"/privacy/users/{user}")
            assert answer.status_code == 200, answer.text
            async with asyncio.timeout(5):
                await socket.wait_closed()
        assert socket.close_code == 4401
        visits = await server.stores.visits.of_user(user)
        assert visits == []


async def test_prv_7_who_has_just_entered_a_room_of_headsets_is_not_written_down_later() -> None:
    async with served("direct") as server:
        hall, ana = await Hall(server).open(), uuid4()
        server.stores.xr.participants.pause()  # type: ignore[attr-defined] # in memory it can
        async with connect(hall.url(user=ana)) as socket, by_a_service(server) as client:
            await socket.recv()
            forgetting = asyncio.create_task(client.delete(f"/privacy/users/{ana}"))
            await asyncio.sleep(0.3)
            assert not forgetting.done()
            server.stores.xr.participants.resume()  # type: ignore[attr-defined] # same
            await forgetting
        assert await hall.participants() == []
