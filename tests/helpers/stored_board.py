"""A document with its rows in a store, and people who edit it; no room, no sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from pycrdt import Doc, Map

from crdt_docs.document import Document
from crdt_docs.identifiers import DocumentName, Identity, kind_of
from crdt_docs.projector import Projector
from crdt_docs.turn import Emitted
from persistence.ports import Commit, DocumentStore, Snapshot

ADA, BEN, EVE = (Identity(UUID(int=number)) for number in (0xA, 0xB, 0xE))


def box(x: float = 0, **properties: Any) -> Map[Any]:
    """An object as an editor makes it."""
    return Map(
        {
            "object_type": "sticky",
            "position": {"x": x, "y": 1},
            "properties": Map(dict(properties)),
        }
    )


class StoredBoard:
    """Every edit is stored at once, with its rows, unless it is done `silently`.

    Attributes:
        now: seconds, the test's to turn: gestures end by them.
    """

    def __init__(self, name: DocumentName, store: DocumentStore) -> None:
        self.name = name
        self.now = 0.0
        self.seq = 0
        self.store = store
        self._document = Document(kind=kind_of(name), with_owners=True)
        self._authors: dict[int, UUID | None] = {}
        self._projector = Projector(self._document, self._authors)
        self._docs: dict[UUID, Doc[Any]] = {}
        self._waiting: list[Commit] = []

    def full_state(self) -> bytes:
        """The document as one Yjs update."""
        return self._document.full_state()

    def doc(self, who: Identity) -> Doc[Any]:
        """Somebody's own copy."""
        if who.user_id not in self._docs:
            doc: Doc[Any] = Doc(client_id=1000 + who.user_id.int)
            doc.get("objects", type=Map)
            doc.get("annotations", type=Map)
            self._docs[who.user_id] = doc
        return self._docs[who.user_id]

    def type(
        self,
        who: Identity,
        change: Callable[[Map[Any]], object],
        *,
        root: str = "objects",
        by: Identity | None = None,
        is_restore: bool = False,
    ) -> None:
        """Edit a root map; it reaches the server, on somebody's socket, and waits to be stored.

        What is restored is sealed, before and after, as `RoomHost.edit` does.
        """
        if is_restore:
            self.seal()
        doc = self.doc(who)
        doc.apply_update(self._document.full_state())
        before = doc.get_state()
        with doc.transaction():
            change(doc.get(root, type=Map))
        uploader = by or who
        update = self._document.apply([doc.get_update(before)], uploader.user_id.bytes)
        if update is None:
            return
        new = () if doc.client_id in self._authors else (doc.client_id,)
        self._document.outline.absorb(update)
        self._authors.setdefault(doc.client_id, uploader.user_id)
        self.seq += 1
        emitted = Emitted(update, uploader, new, is_restore=is_restore)
        self._projector.note(emitted, self.now)
        commit = Commit(self.name, self.seq, update, uploader.user_id, uploader.kind, new)
        self._waiting.append(commit)
        if is_restore:
            self.seal()

    async def edit(
        self, who: Identity, change: Callable[[Map[Any]], object], **options: Any
    ) -> None:
        """The same, and it is stored."""
        self.type(who, change, **options)
        await self.save()

    def seal(self) -> None:
        """Have told what has changed up to now, before it is stored (LOG-11)."""
        changes = self._projector.take()
        if changes:
            last = self._waiting[-1]
            self._waiting[-1] = last._replace(changes=last.changes + changes)

    async def save(self, *, silently: bool = False) -> None:
        """Store what waits, in one transaction.

        Args:
            silently: without rows, as before there were any.
        """
        self.seal()
        batch, self._waiting = self._waiting, []
        if silently:
            batch = [commit._replace(changes=()) for commit in batch]
        if batch:
            await self.store.commit(batch)

    async def snapshot(self) -> None:
        """Store a snapshot of the document."""
        state = self._document.full_state()
        await self.store.save_snapshot(
            self.name, Snapshot(self.seq, state, self._document.structure())
        )

    def later(self, seconds: float = 10.0) -> None:
        """Let time go by: gestures end."""
        self.now += seconds
