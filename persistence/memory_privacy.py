"""Persons across all that is kept in memory (PRV)."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any
from uuid import UUID, uuid4

from crdt_docs.identifiers import DocumentKind, DocumentName, document_name, id_of
from crdt_docs.object_kinds import kinds_in
from persistence.audit_ports import AuditEntry, AuditFilter
from persistence.memory_answers import MemoryAnswerStore
from persistence.memory_audit import MemoryAuditStore
from persistence.memory_names import names
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore, MemorySwitches
from persistence.memory_tokens import MemoryTokenStore
from persistence.memory_visits import MemoryVisitStore
from persistence.memory_xr_tables import MemoryXrTables
from persistence.object_rows import session_of
from persistence.object_tables import TABLES
from persistence.privacy_ports import MOST_MENTIONS, Counts, HeldRow
from persistence.xr_ports import room_of

MOST_ENTRIES = 10_000


class MemoryPrivacyStore(MemorySwitches):
    """`privacy_ports.PrivacyStore` in memory."""

    def __init__(
        self,
        documents: MemoryDocumentStore,
        sessions: MemorySessionStore,
        *,
        answers: MemoryAnswerStore,
        audit: MemoryAuditStore,
        visits: MemoryVisitStore,
        tokens: MemoryTokenStore,
        xr: MemoryXrTables,
    ) -> None:
        super().__init__()
        self._documents = documents
        self._sessions = sessions
        self._answers = answers
        self._audit = audit
        self._visits = visits
        self._tokens = tokens
        self._xr = xr

    async def documents_of(self, user_id: UUID) -> Sequence[DocumentName]:
        """See `privacy_ports.PrivacyStore.documents_of`."""
        await self._enter()
        names = set(self._documents.documents_of(user_id))
        names.update(
            document_name(DocumentKind.OCW, session_id)
            for session_id in self._sessions.sessions_of(user_id)
        )
        names.update(
            document_name(DocumentKind.XR, room_id) for room_id in self._xr.rooms_of(user_id)
        )
        self._leave()
        return sorted(names)

    async def forget_in(self, document: DocumentName, user_id: UUID) -> Counts:
        """See `privacy_ports.PrivacyStore.forget_in`."""
        await self._enter()
        alias = uuid4()
        session_id = session_of(document)
        counts = Counter(documents=self._documents.put_alias(document, user_id, alias))
        if session_id is not None:
            counts["ocw_sessions"] += self._sessions.put_alias(session_id, user_id, alias)
        room_id = room_of(document)
        if room_id is not None:
            counts["xr_rooms"] += self._xr.put_alias(room_id, user_id, alias)
        self._leave()
        return +counts

    async def forget(self, user_id: UUID, entry: AuditEntry) -> Counts:
        """See `privacy_ports.PrivacyStore.forget`."""
        await self._enter()
        await self._audit.add([entry])
        counts = Counter(self._xr.forget_person(user_id))
        counts.update(
            kept_answers=self._answers.forget_person(user_id),
            ocw_participants=self._sessions.forget_person(user_id),
            token_families=self._tokens.forget_person(user_id),
            user_sessions=self._visits.forget_person(user_id),
            audit_subjects=int(self._audit.subjects.pop(user_id, None) is not None),
        )
        self._leave()
        return +counts

    async def mentions(self, user_id: UUID) -> Sequence[DocumentName]:
        """See `privacy_ports.PrivacyStore.mentions`."""
        await self._enter()
        found = {
            document_name(kind.document, owner_id)
            for (owner_id, kind), table in self._documents.objects.tables.items()
            for identifier, row in table.items()
            if names(f"{identifier} {row.state}", user_id)
            or any(names(str(each.previous_state), user_id) for _, each in row.history)
        }
        found.update(self._documents.archive.labels_that_mention(user_id))
        found.update(
            document_name(DocumentKind.XR, room_id)
            for room_id in self._xr.rooms_that_mention(user_id)
        )
        self._leave()
        return sorted(found)[:MOST_MENTIONS]

    async def held(self, user_id: UUID) -> AsyncGenerator[HeldRow]:
        """See `privacy_ports.PrivacyStore.held`."""
        await self._enter()
        for row in self._sessions.rows_of(user_id):
            yield HeldRow("ocw_participants", _fields(row))
        for session_id in self._sessions.sessions_of(user_id):
            yield HeldRow("ocw_sessions", {"id": str(session_id)})
        for room_id in self._xr.rooms_of(user_id):
            yield HeldRow("xr_rooms", {"id": str(room_id)})
        for table, about in self._xr.rows_of(user_id):
            yield HeldRow(table, _fields(about))
        for visit in await self._visits.of_user(user_id):
            yield HeldRow("user_sessions", _fields(visit))
        for family in self._tokens.families_of(user_id):
            yield HeldRow("token_families", {"id": str(family.id), "user_id": str(family.user_id)})
        for reservation in self._answers.about(user_id):
            caller_id = reservation.request.caller_id
            yield HeldRow("kept_answers", {"caller_id": str(caller_id)})
        if user_id in self._audit.subjects:
            yield HeldRow("audit_subjects", {"pseudonym": str(self._audit.subjects[user_id])})
            wanted = AuditFilter(user_id=user_id)
            for entry in (await self._audit.find(wanted, limit=MOST_ENTRIES)).items:
                yield HeldRow("audit_log", {**_fields(entry), "persons": None})
        for held in self._changes(user_id):
            yield held
        self._leave()

    def _changes(self, user_id: UUID) -> Iterator[HeldRow]:
        for name in self._documents.documents_of(user_id):
            for entry in self._documents.entries_of(name, user_id):
                yield HeldRow("document_updates", {"document": name, "seq": entry.seq})
            for kind in kinds_in(name):
                table = self._documents.objects.tables.get((id_of(name), kind), {})
                for identifier, row in table.items():
                    if row.updated_by == user_id:
                        yield HeldRow(TABLES[kind].name, {"id": identifier})


def _fields(row: object) -> dict[str, Any]:
    assert is_dataclass(row)  # noqa: S101 - for the type checker
    assert not isinstance(row, type)  # noqa: S101 - same
    return {name: _plain(value) for name, value in asdict(row).items()}


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value
