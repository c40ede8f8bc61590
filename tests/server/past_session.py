"""A session or XR room of an hour, with an edit a minute, and a REST API to look back at it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from pycrdt import Doc, Map, Text, TransactionEvent

from crdt_docs.access import Role
from crdt_docs.document import ROOT_MAPS
from crdt_docs.identifiers import DocumentKind, DocumentName, Identity, document_name
from crdt_docs.ownership import Entry
from persistence.memory_store import MemoryDocumentStore
from persistence.ports import Commit, Participant
from server.rest.ports import Edited
from tests.server.clocks import NOON
from tests.server.rest_client import Api, Caller, FakeLiveDocuments, refusal
from tests.server.token_forge import Forge

T = TypeVar("T")
Json = dict[str, Any]
MINUTE = timedelta(minutes=1)


def text_of(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class StoredLive(FakeLiveDocuments):
    """Documents whose edits are stored at once, at the time that the clock shows."""

    def __init__(self, documents: MemoryDocumentStore) -> None:
        super().__init__()
        self._documents = documents

    async def edit(
        self,
        document: DocumentName,
        identity: Identity,
        change: Callable[[Doc[Any]], T],
        *,
        is_restore: bool = False,
        may_grow: bool = True,
        role: Role = Role.HOST,
        entries: Iterable[Entry] = (),
        is_moving: bool = False,
        within: float = 5.0,
    ) -> Edited[T]:
        self._open(document)
        doc = self.documents.setdefault(document, Doc())
        emitted: list[bytes] = []

        def collect(event: TransactionEvent) -> None:
            emitted.append(event.update)

        subscription = doc.observe(collect)
        with doc.transaction():
            result = change(doc)
        doc.unobserve(subscription)
        self.edits.append((document, identity, is_restore))
        seq = await self._documents.archive.last_seq(document)
        if emitted:
            seq += 1
            await self._documents.commit([Commit(document, seq, emitted[0], identity.user_id)])
        return Edited(result, self.is_stored, seq)


class Past:
    """A session of Anna's, an hour long: an edit a minute.

    Attributes:
        kind: of its document.
    """

    kind = DocumentKind.OCW
    place = "/api/ocw/sessions"

    def __init__(self, directory: Path) -> None:
        forge = Forge()
        documents = MemoryDocumentStore(forge.clock)
        self.live = StoredLive(documents)
        self.api = Api(directory, forge=forge, documents=documents, live=self.live)
        self.anna = self.caller()
        self.was: list[Json] = []

    def caller(self) -> Caller:
        """Somebody with a token for the day."""
        return self.api.caller(exp=int((NOON + timedelta(days=1)).timestamp()))

    async def begin(self) -> None:
        self.session = await self.make()
        self.name = document_name(self.kind, UUID(self.session["id"]))
        self.was.append(self.now())

    async def make(self) -> Json:
        """What it is about."""
        return await self.anna.create()

    @property
    def roots(self) -> tuple[str, ...]:
        """What is shown of its document."""
        return ROOT_MAPS[self.kind]

    @property
    def path(self) -> str:
        return f"{self.place}/{self.session['id']}"

    def now(self) -> Json:
        doc = self.live.documents.setdefault(self.name, Doc())
        roots = {name: doc.get(name, type=Map) for name in self.roots}
        return {name: json.loads(str(root)) for name, root in roots.items()}

    async def edit(self, change: Callable[[Doc[Any]], None]) -> int:
        """The next edit, a minute later; gives its position."""
        self.api.forge.clock.turn(60)
        edited = await self.live.edit(self.name, Identity(self.anna.user_id), change)
        self.was.append(self.now())
        return edited.seq

    async def draw(self, count: int) -> None:
        for number in range(count):
            await self.edit(lambda doc, n=number: _draw(doc, n))  # type: ignore[misc] # a default

    async def get(self, more: str, **params: Any) -> Json:
        answer = await self.anna.get(self.path + more, params=params)
        assert answer.status_code == 200, answer.text
        data: Json = answer.json()["data"]
        return data

    async def refused(self, more: str, **params: Any) -> tuple[int, str]:
        return refusal(await self.anna.get(self.path + more, params=params))

    async def somebody(self, role: Role) -> Caller:
        caller = self.caller()
        row = Participant(UUID(self.session["id"]), caller.user_id, role, NOON)
        await self.api.sessions.put_participant(row)
        return caller

    async def snapshot(self, label: str = "Monday") -> Json:
        answer = await self.anna.post(f"{self.path}/snapshots", json={"label": label})
        assert answer.status_code == 201, answer.text
        data: Json = answer.json()["data"]
        return data


class PastRoom(Past):
    """The same of an XR room."""

    kind = DocumentKind.XR
    place = "/api/xr/rooms"

    async def make(self) -> Json:
        workspace = str(self.anna.workspace)
        body = {"workspace_id": workspace, "name": "Atelier", "room_type": "meeting"}
        answer = await self.anna.post(self.place, json=body)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()["data"]
        return made

    async def somebody(self, role: Role) -> Caller:
        caller = self.caller()
        room_id = UUID(self.session["id"])
        await self.api.services.xr.members.put(room_id, caller.user_id, role, NOON)
        return caller


def _draw(doc: Doc[Any], number: int) -> None:
    objects = doc.get("objects", type=Map)
    key = f"note {number % 7}"
    if key in objects and number % 5 == 0:
        del objects[key]
    elif key in objects:
        objects[key]["position"] = {"x": number, "y": 2}
    else:
        properties = Map({"text": Text(f"Note {number}")})
        objects[key] = Map({"object_type": "sticky", "properties": properties})
    doc.get("meta", type=Map)["edits"] = number


async def lived_session(directory: Path, kind: type[Past] = Past) -> Past:
    """Twenty edits long."""
    made = kind(directory)
    await made.begin()
    await made.draw(20)
    return made
