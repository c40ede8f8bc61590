"""The audit trail in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from persistence.audit_ports import AuditEntry, AuditFilter, StoredEntry
from persistence.cursors import decode_cursor, encode_cursor
from persistence.memory_store import MemorySwitches
from persistence.ports import Page
from persistence.pseudonyms import persons_of, pseudonymous, with_persons

WorkspaceOf = Callable[[UUID], UUID | None]


class MemoryAuditStore(MemorySwitches):
    """`audit_ports.AuditStore` in memory.

    Attributes:
        subjects: the pseudonym of everybody who is named.
    """

    def __init__(self, *workspace_of: WorkspaceOf) -> None:
        """
        Args:
            workspace_of: each knows the workspace of a session, or of a room.
        """
        super().__init__()
        self.subjects: dict[UUID, UUID] = {}
        self._workspace_of = workspace_of
        self._entries: dict[UUID, tuple[StoredEntry, UUID | None]] = {}

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        """See `audit_ports.AuditStore.add`."""
        await self._enter()
        for entry in entries:
            if entry.id not in self._entries:
                session_id = entry.event.session_id
                workspace = None if session_id is None else self._workspace(session_id)
                stored = pseudonymous(entry, self._pseudonyms(entry))
                self._entries[entry.id] = stored, workspace
        self._leave()

    def _workspace(self, session_id: UUID) -> UUID | None:
        found = (known(session_id) for known in self._workspace_of)
        return next((workspace for workspace in found if workspace is not None), None)

    def _pseudonyms(self, entry: AuditEntry) -> Mapping[UUID, UUID]:
        return {
            person: self.subjects.setdefault(person, uuid4()) for person in persons_of(entry.event)
        }

    async def find(
        self, wanted: AuditFilter, *, limit: int, cursor: str | None = None
    ) -> Page[StoredEntry]:
        """See `audit_ports.AuditStore.find`."""
        await self._enter()
        after = None if cursor is None else decode_cursor(cursor)
        found = [
            entry
            for entry, workspace in self._entries.values()
            if self._is_wanted(entry, workspace, wanted)
            and (after is None or (entry.at, entry.id) < after)
        ]
        found.sort(key=lambda entry: (entry.at, entry.id), reverse=True)
        self._leave()
        persons = {pseudonym: person for person, pseudonym in self.subjects.items()}
        page = [with_persons(entry, persons) for entry in found[:limit]]
        is_last = len(found) <= limit
        return Page(tuple(page), None if is_last else encode_cursor(page[-1].at, page[-1].id))

    def _is_wanted(self, entry: StoredEntry, workspace: UUID | None, wanted: AuditFilter) -> bool:
        return (
            (wanted.workspaces is None or workspace in wanted.workspaces)
            and wanted.session_id in (None, entry.session_id)
            and wanted.action in (None, entry.action)
            and (
                wanted.user_id is None
                or (entry.actor is not None and entry.actor == self.subjects.get(wanted.user_id))
            )
            and (wanted.since is None or entry.at >= wanted.since)
            and (wanted.until is None or entry.at < wanted.until)
        )

    async def prepare(self, now: datetime) -> None:
        """See `audit_ports.AuditStore.prepare`."""
        await self._enter()
        self._leave()

    async def drop_before(self, moment: datetime) -> int:
        """See `audit_ports.AuditStore.drop_before`."""
        await self._enter()
        over = {
            identifier: (entry.at.year, entry.at.month)
            for identifier, (entry, _) in self._entries.items()
            if (entry.at.year, entry.at.month) < (moment.year, moment.month)
        }
        for identifier in over:
            del self._entries[identifier]
        self._leave()
        return len(set(over.values()))
