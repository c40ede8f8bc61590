"""Forgetting a person, beside rooms that are open.

PRV-6 While an alias is put into a document, the document is out of memory: nothing there holds the
      person, and nothing is stored in it. Its members reconnect.
PRV-7 First the person's tokens are revoked and their sockets closed, and what is still to be
      written down about them is; only then are they forgotten.
PRV-8 One person at a time: a document can be set aside once, and each person's turn reads the log
      from beginning to end.
PRV-9 Before it is looked for where somebody is, what is still to be done in their name is done and
      stored: what came before their sockets were closed, what was in their hands, what goes with
      them (LIF-2).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from crdt_docs.identifiers import DocumentName
from persistence.audit_ports import AuditEntry, AuditEvent
from persistence.ports import StorageUnavailable
from persistence.privacy_ports import Counts, PrivacyStore
from server.clock import Clock, utc_now

FORGOTTEN = "privacy.forgotten"
EXPORTED = "privacy.exported"

ROUNDS = 5
"""Somebody may be put into a document again while others are gone through, by a request that was
under way."""

Aside = Callable[[DocumentName], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was done.

    Attributes:
        rows: changed or removed, by table.
        documents: in which an alias stands now.
        mentioned_in: documents in whose contents the person's id still is.
    """

    rows: Counts
    documents: int
    mentioned_in: tuple[DocumentName, ...]


class Forgets(Protocol):
    """Forgets persons."""

    async def forget(self, user_id: UUID, event: AuditEvent) -> Forgotten:
        """See `Forgetting.forget`."""


def _at_rest(_: DocumentName) -> AbstractAsyncContextManager[None]:
    """Where no server runs, every document is out of memory."""
    return nullcontext()


async def _nothing() -> None:
    return


async def _nothing_of(_: UUID) -> None:
    return


class Forgetting:
    """Takes one person after the other out of everything."""

    def __init__(
        self,
        store: PrivacyStore,
        *,
        send_away: Callable[[UUID], Awaitable[None]],
        aside: Aside = _at_rest,
        last_edits: Callable[[UUID], Awaitable[None]] = _nothing_of,
        write_down: Callable[[], Awaitable[None]] = _nothing,
        clock: Clock = utc_now,
    ) -> None:
        """
        Args:
            send_away: revokes somebody's tokens, and closes their sockets.
            aside: keeps a document out of memory (PRV-6).
            last_edits: returns when nothing is left to be done in somebody's name (PRV-9).
            write_down: returns when the trail and the books of who was where are stored.
        """
        self._store = store
        self._send_away = send_away
        self._aside = aside
        self._last_edits = last_edits
        self._write_down = write_down
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def forget(self, user_id: UUID, event: AuditEvent) -> Forgotten:
        """Forget somebody, after those who are being forgotten (PRV-8); to forget them again
        changes nothing more.

        Args:
            event: for the trail.

        Raises:
            StorageUnavailable: not all of it was done; it can be done again.
        """
        async with self._one_at_a_time:
            return await self._forget(user_id, event)

    async def _forget(self, user_id: UUID, event: AuditEvent) -> Forgotten:
        await self._send_away(user_id)
        rows: Counter[str] = Counter()
        documents = await self._rename(user_id, rows)
        await self._write_down()
        rows.update(await self._store.forget(user_id, AuditEntry(self._clock(), event)))
        mentioned = await self._store.mentions(user_id)
        return Forgotten(dict(rows), documents, tuple(mentioned))

    async def _rename(self, user_id: UUID, rows: Counter[str]) -> int:
        renamed: set[DocumentName] = set()
        for _ in range(ROUNDS):
            await self._last_edits(user_id)
            found = await self._store.documents_of(user_id)
            if not found:
                return len(renamed)
            for document in found:
                async with self._aside(document):
                    rows.update(await self._store.forget_in(document, user_id))
                renamed.add(document)
        raise StorageUnavailable("the person is still at work: revoke what acts in their name")
