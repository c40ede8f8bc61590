"""What a room has to know when it is opened, to hold edits against the rules (RUL)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from crdt_docs.identifiers import DocumentKind, DocumentName
from crdt_docs.object_kinds import KINDS, ObjectKind
from crdt_docs.ownership import Entry
from crdt_docs.rules import ORDINARY, SessionRules, session_rules
from persistence.lookup_ports import ObjectLookup
from persistence.ports import SessionStore


@dataclass(frozen=True, slots=True)
class RoomRules:
    """Attributes:
    creators: who created what, where a rule asks for it (RUL-2, ACC-6).
    """

    rules: SessionRules = ORDINARY
    creators: Mapping[Entry, UUID | None] = field(default_factory=dict)


class RulesReader(Protocol):
    """Where rooms get them from."""

    async def read(self, document: DocumentName) -> RoomRules:
        """Of a document of which everything is stored.

        Raises:
            StorageUnavailable: they cannot be read now.
        """


class NoRules:
    """For rooms that belong to nothing."""

    async def read(self, document: DocumentName) -> RoomRules:
        """See `RulesReader.read`."""
        return RoomRules()


class StoredRules:
    """The config of a document's session, and the history of its objects."""

    def __init__(self, sessions: SessionStore, objects: ObjectLookup) -> None:
        self._sessions = sessions
        self._objects = objects

    async def read(self, document: DocumentName) -> RoomRules:
        """See `RulesReader.read`."""
        kind, _, identifier = document.partition("/")
        if kind != DocumentKind.OCW:
            return RoomRules()
        session_id = UUID(identifier)
        session = await self._sessions.get(session_id)
        rules = ORDINARY if session is None else session_rules(session.config)
        creators = {
            Entry(asked.root, key): creator
            for asked in _asked(rules)
            for key, creator in (await self._objects.creators(session_id, asked)).items()
        }
        return RoomRules(rules, creators)


def _asked(rules: SessionRules) -> tuple[ObjectKind, ...]:
    """Of which objects it matters who created them."""
    if rules.own_objects_only:
        return KINDS[DocumentKind.OCW]
    return (ObjectKind.OCW_ANNOTATION,) if rules.viewers_annotate else ()
