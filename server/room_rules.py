"""What a room has to know when it is opened, to hold edits against the rules (RUL)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never
from uuid import UUID

from crdt_docs.identifiers import DocumentKind, DocumentName, id_of, kind_of
from crdt_docs.object_kinds import ObjectKind, ObjectRoot, kinds_in
from crdt_docs.ownership import Entry
from crdt_docs.rules import ORDINARY, SessionRules, session_rules
from persistence.lookup_ports import ObjectLookup
from persistence.ports import SessionStore
from persistence.xr_ports import XrRoomStore


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
    """The config of a document's session or room, and the history of its objects."""

    def __init__(self, sessions: SessionStore, rooms: XrRoomStore, objects: ObjectLookup) -> None:
        self._sessions = sessions
        self._rooms = rooms
        self._objects = objects

    async def read(self, document: DocumentName) -> RoomRules:
        """See `RulesReader.read`."""
        config = await self._config(document)
        rules = ORDINARY if config is None else session_rules(config)
        creators = {
            Entry(asked.root, key): creator
            for asked in _asked(rules, kinds_in(document))
            for key, creator in (await self._objects.creators(id_of(document), asked)).items()
        }
        return RoomRules(rules, creators)

    async def _config(self, document: DocumentName) -> Mapping[str, Any] | None:
        """None: there is no such session or room, or such documents have no rules."""
        owner_id = id_of(document)
        match kind_of(document):
            case DocumentKind.OCW:
                session = await self._sessions.get(owner_id)
                return None if session is None else session.config
            case DocumentKind.XR:
                room = await self._rooms.get(owner_id)
                return None if room is None else room.config
            case DocumentKind.THREAD:
                return None
            case kind:
                assert_never(kind)


def _asked(rules: SessionRules, kinds: Iterable[ObjectKind]) -> list[ObjectKind]:
    """Of which objects it matters who created them."""
    return [
        kind
        for kind in kinds
        if rules.own_objects_only
        or (rules.viewers_annotate and kind.root is ObjectRoot.ANNOTATIONS)
    ]
