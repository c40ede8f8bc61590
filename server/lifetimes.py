"""Deletes what goes from a room with its session, or with a person (LIF)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from pycrdt import Doc

from crdt_docs.document import DocumentBroken
from crdt_docs.errors import Refusal
from crdt_docs.identifiers import DocumentName, Identity
from crdt_docs.lifetimes import delete_after_session, delete_owned
from crdt_docs.member import Member
from persistence.ports import StorageUnavailable
from server.document_standings import is_room
from server.rest.ports import LiveDocuments
from server.witness import Visitor

log = structlog.get_logger(__name__)

GRACE = 10.0
"""Seconds after which whoever lost their connection is taken for gone."""


async def empty_after_session(
    live: LiveDocuments, document: DocumentName, identity: Identity, *, is_persistent: bool
) -> None:
    """LIF-1: a room's session has ended.

    Args:
        identity: in whose name it is done.

    Raises:
        StorageUnavailable, DocumentBroken, NotNow: as `LiveDocuments.edit`.
    """
    await _delete(
        live, document, identity, partial(delete_after_session, is_persistent=is_persistent)
    )


async def _delete(
    live: LiveDocuments,
    document: DocumentName,
    identity: Identity,
    delete: Callable[[Doc[Any]], bool],
) -> None:
    """Delete in portions, between which others have their turn."""
    has_more = True
    while has_more:
        has_more = (await live.edit(document, identity, delete, may_grow=False)).result


class OwnersGone:
    """A `witness.Witness` of who has left a room for good (LIF-2)."""

    def __init__(self, live: LiveDocuments, *, grace: float = GRACE) -> None:
        """
        Args:
            grace: seconds until somebody who has left is gone.
        """
        self.failed = 0
        self._live = live
        self._grace = grace
        self._present: Counter[tuple[DocumentName, UUID]] = Counter()
        self._leaving: dict[tuple[DocumentName, UUID], asyncio.Task[None]] = {}

    def came(self, document: DocumentName, member: Member, visitor: Visitor) -> None:
        """See `Witness`."""
        if not is_room(document):
            return
        key = document, member.identity.user_id
        self._present[key] += 1
        task = self._leaving.pop(key, None)
        if task is not None:
            task.cancel()

    def went(self, document: DocumentName, member: Member, code: int | None) -> None:
        """See `Witness`."""
        key = document, member.identity.user_id
        if key not in self._present:
            return
        self._present[key] -= 1
        if self._present[key] == 0:
            del self._present[key]
            self._leaving[key] = asyncio.create_task(self._leave(document, member.identity))

    def refused(self, document: DocumentName, member: Member, rule: str) -> None:
        """See `Witness`: of no concern here."""

    async def _leave(self, document: DocumentName, identity: Identity) -> None:
        await asyncio.sleep(self._grace)
        del self._leaving[document, identity.user_id]
        try:
            owned = partial(delete_owned, owner=identity.user_id)
            await _delete(self._live, document, identity, owned)
        except (StorageUnavailable, DocumentBroken, Refusal) as error:
            self.failed += 1
            log.warning(
                "what somebody owned is still there", document=document, error=type(error).__name__
            )

    def close(self) -> None:
        """The server stops: who is leaving may come back to another one."""
        for task in self._leaving.values():
            task.cancel()
        self._leaving.clear()
