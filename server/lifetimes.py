"""Deletes what belongs to people who have left a room of headsets (LIF-2, LIF-5)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

from crdt_docs.document import DocumentBroken
from crdt_docs.errors import Refusal
from crdt_docs.identifiers import DocumentName, Identity, id_of
from crdt_docs.lifetimes import delete_owned
from crdt_docs.member import Member
from persistence.ports import StorageUnavailable
from server.document_standings import is_room
from server.rest.ports import LiveDocuments
from server.witness import Visitor

log = structlog.get_logger(__name__)

GRACE = 10.0
"""Seconds after which whoever lost their connection is taken for gone."""

TOGETHER = 1.0
"""Seconds for which others who leave are waited for."""


class OwnedObjects(Protocol):
    """Where it is written down what belongs to whom."""

    async def owned(self, room_id: UUID, people: Sequence[UUID]) -> Mapping[UUID, Sequence[str]]:
        """See `persistence.lookup_ports.ObjectLookup.owned`."""


class _Leaver(NamedTuple):
    """Somebody whose last connection is gone; `due`: by the loop's clock, when they are, too."""

    identity: Identity
    due: float


class OwnersGone:
    """A `witness.Witness` of who has left a room for good.

    Attributes:
        failed: looks that found out nothing, or could not delete what they found.
    """

    def __init__(
        self,
        live: LiveDocuments,
        objects: OwnedObjects,
        *,
        grace: float = GRACE,
        together: float = TOGETHER,
    ) -> None:
        """
        Args:
            grace: seconds until somebody who has left is gone.
            together: seconds after that in which others may be gone, too.
        """
        self.failed = 0
        self._live = live
        self._objects = objects
        self._grace = grace
        self._together = together
        self._present: Counter[tuple[DocumentName, UUID]] = Counter()
        self._leaving: dict[DocumentName, dict[UUID, _Leaver]] = {}  # those due first come first
        self._looking: dict[DocumentName, asyncio.Task[None]] = {}
        self._deleting: dict[DocumentName, asyncio.Lock] = {}

    @property
    def is_looking(self) -> bool:
        """Whether somebody has left who may come back."""
        return bool(self._looking)

    def came(self, document: DocumentName, member: Member, visitor: Visitor) -> None:
        """See `Witness`."""
        if is_room(document):
            self._present[document, member.identity.user_id] += 1
            self._leaving.get(document, {}).pop(member.identity.user_id, None)

    def went(self, document: DocumentName, member: Member, code: int | None) -> None:
        """See `Witness`."""
        key = document, member.identity.user_id
        if key not in self._present:
            return
        self._present[key] -= 1
        if self._present[key] == 0:
            del self._present[key]
            self._expect(document, member.identity)

    def refused(self, document: DocumentName, member: Member, rule: str) -> None:
        """See `Witness`: of no concern here."""

    def _expect(self, document: DocumentName, identity: Identity) -> None:
        """Unless they come back, somebody will be gone."""
        due = asyncio.get_running_loop().time() + self._grace
        self._leaving.setdefault(document, {})[identity.user_id] = _Leaver(identity, due)
        if document not in self._looking:
            self._deleting[document] = asyncio.Lock()
            self._looking[document] = asyncio.create_task(self._look(document))

    async def _look(self, document: DocumentName) -> None:
        """Whenever somebody is gone, until nobody is leaving any more."""
        loop, leaving = asyncio.get_running_loop(), self._leaving[document]
        try:
            while leaving:
                first = next(iter(leaving.values()))
                await asyncio.sleep(first.due + self._together - loop.time())
                async with self._deleting[document]:
                    now = loop.time()
                    gone = [each.identity for each in leaving.values() if each.due <= now]
                    for identity in gone:
                        del leaving[identity.user_id]
                    if gone:
                        await self._take_away(document, gone)
        finally:
            del self._leaving[document], self._looking[document], self._deleting[document]

    async def finish(self, user_id: UUID) -> None:
        """Somebody who has left is being forgotten: what is theirs goes at once or, where that is
        not possible, with the session. Nothing is done in their name later (PRV-9)."""
        for document, deleting in list(self._deleting.items()):
            async with deleting:
                leaver = self._leaving.get(document, {}).pop(user_id, None)
                if leaver is not None:
                    await self._take_away(document, [leaver.identity])
                    self._leaving.get(document, {}).pop(user_id, None)

    async def _take_away(self, document: DocumentName, gone: Sequence[Identity]) -> None:
        """Delete what is theirs. While that is not possible, they are waited for once more."""
        left = {identity.user_id: identity for identity in gone}
        try:
            owned = await self._owned(document, list(left))
            left = {user_id: left[user_id] for user_id in owned}
            for user_id, ids in owned.items():
                await self._delete(document, left[user_id], ids)
                del left[user_id]
        except (StorageUnavailable, DocumentBroken, Refusal) as error:
            self._fail(document, error)
            if not isinstance(error, DocumentBroken):
                for identity in left.values():
                    self._expect(document, identity)

    async def _owned(
        self, document: DocumentName, people: Sequence[UUID]
    ) -> Mapping[UUID, Sequence[str]]:
        if not await self._live.all_stored(document):
            raise StorageUnavailable("what is not stored has no rows yet")
        return await self._objects.owned(id_of(document), people)

    def _fail(self, document: DocumentName, error: Exception) -> None:
        self.failed += 1
        log.warning(
            "what somebody owned is still there", document=document, error=type(error).__name__
        )

    async def _delete(self, document: DocumentName, owner: Identity, ids: Sequence[str]) -> None:
        """In portions, between which others have their turn, unless the owner comes back."""
        delete = partial(delete_owned, owner=owner.user_id, ids=ids)
        has_more = True
        while has_more and (document, owner.user_id) not in self._present:
            has_more = (await self._live.edit(document, owner, delete, may_grow=False)).result

    def close(self) -> None:
        """The server stops: who is leaving may come back to another one."""
        for task in self._looking.values():
            task.cancel()
