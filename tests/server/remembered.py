"""The whole application over PostgreSQL, and a person about whom much is held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from pycrdt import Map
from pydantic import SecretStr
from starlette.applications import Starlette

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, DocumentName, Identity, document_name
from server.app import create_app
from server.authentication import mint
from server.room_directory import RoomDirectory
from server.settings import Settings
from tests.helpers.people import Person
from tests.server.described import described
from tests.server.rooms import Seat

SECRET = "a secret for tests, long enough for HS256"
WORKSPACE = uuid4()


def somebody(number: int, role: Role = Role.EDITOR) -> Person:
    """A person whose id occurs nowhere by chance."""
    person = Person(number, role)
    person.identity = Identity(uuid4(), f"Person {number}")
    person.member.identity = person.identity
    return person


@dataclass
class Town:
    """A server, its people and a session of theirs."""

    app: Starlette
    client: httpx.AsyncClient
    seats: list[Seat] = field(default_factory=list)
    session_id: UUID = field(default_factory=uuid4)

    @property
    def directory(self) -> RoomDirectory:
        directory: RoomDirectory = self.app.state.directory
        return directory

    @property
    def document(self) -> DocumentName:
        return document_name(DocumentKind.OCW, self.session_id)

    def token(self, user: UUID, *, is_service: bool = False) -> str:
        return mint(
            SECRET.encode(),
            user,
            name="Somebody",
            lifetime=timedelta(hours=1),
            now=datetime.now(UTC),
            is_service=is_service,
            workspaces=() if is_service else (WORKSPACE,),
        )

    async def call(
        self, user: UUID, method: str, path: str, *, is_service: bool = False, **more: Any
    ) -> httpx.Response:
        """A request in somebody's name, which must succeed."""
        token = self.token(user, is_service=is_service)
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        answer = await self.client.request(method, f"/api{path}", headers=headers, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    async def found(self, host: UUID, *, key: str = "first", **config: Any) -> None:
        """Begin the session."""
        body = {
            "workspace_id": str(WORKSPACE),
            "session_type": "whiteboard",
            "config": {"default_role": "editor", **config},
        }
        headers = {"Idempotency-Key": key}
        answer = await self.call(host, "POST", "/ocw/sessions", json=body, headers=headers)
        self.session_id = UUID(answer.json()["data"]["id"])

    async def sit(self, person: Person) -> Seat:
        """Let a person into the room."""
        host = await self.directory.open(self.document)
        seat = Seat(host, person)
        self.seats.append(seat)
        return seat

    async def settle(self) -> None:
        """Exchange until nothing more happens."""
        quiet = 0
        while quiet < 3:
            busy = [seat.pump() for seat in self.seats]
            quiet = 0 if any(busy) else quiet + 1
            await asyncio.sleep(0.01)

    def clear(self) -> None:
        """The sockets that the server has closed are gone."""
        for seat in [seat for seat in self.seats if seat.channel.closed is not None]:
            seat.host.leave(seat.member)
            self.seats.remove(seat)


@asynccontextmanager
async def town(dsn: str, data_dir: Path) -> AsyncIterator[Town]:
    """A server on a database."""
    settings = Settings(
        jwt_secret=SecretStr(SECRET),
        database_url=dsn,
        data_dir=data_dir,
        room_idle_seconds=600,
        permission_check_seconds=600,
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        hooks: dict[str, list[Any]] = {"response": [described().check]}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://collab.test", event_hooks=hooks
        ) as client:
            yield Town(app, client)


def sticky(text: str) -> Map[Any]:
    """An object."""
    return Map({"object_type": "sticky", "properties": Map({"text": text})})


async def live_together(there: Town, ana: Person, ben: Person, service: UUID) -> None:
    """A session in which Ana leaves traces everywhere, alone and with Ben."""
    a, b = ana.identity.user_id, ben.identity.user_id
    await there.found(a, moderator=str(a))
    path = f"/ocw/sessions/{there.session_id}"
    for user in (a, b):
        await there.call(user, "POST", f"{path}/join", headers={"Idempotency-Key": "join"})
    await there.call(a, "PATCH", f"{path}/participants/{b}", json={"role": "editor"})
    await there.sit(ana)
    await there.sit(ben)
    await there.settle()
    ana.set_many({"one": sticky("a"), "two": sticky("a")})
    await there.settle()
    ben.edit(lambda objects: objects["one"].update({"layer": 2}))
    ana.edit(lambda objects: objects["one"].update({"layer": 3}))
    await there.settle()
    # What Ana draws in the train, Ben uploads.
    ana.is_offline = True
    with ana.doc.transaction():
        ana.objects["three"] = sticky("from the train")
    ben.doc.apply_update(ana.doc.get_update(ben.doc.get_state()))
    ana.is_offline = False
    await there.settle()
    remarks = ana.doc.get("annotations", type=Map)
    remarks["remark"] = Map({"annotation_type": "comment", "content": "why?"})
    await there.settle()
    await there.call(a, "POST", f"{path}/snapshots", json={"label": "before lunch"})
    body = {"id": "by rest", "object_type": "sticky"}
    headers = {"Idempotency-Key": "object"}
    await there.call(a, "POST", f"{path}/objects", json=body, headers=headers)
    acting = {"X-Acting-User": str(a), "X-Identity-ID": str(a), "X-Request-ID": f"for-{a}"}
    await there.call(
        service, "PATCH", f"{path}/objects/two", json={"layer": 7}, headers=acting, is_service=True
    )
    terms = {"user_id": str(a), "name": "Ana"}
    await there.call(service, "POST", "/auth/token", json=terms, is_service=True)
    await there.settle()
