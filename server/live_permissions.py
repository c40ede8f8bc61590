"""What REST changes about people, carried out on their open sockets (ACC-11, ACC-15)."""

from __future__ import annotations

import time
from uuid import UUID

import structlog

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentName
from server.document_standings import DocumentStandings
from server.permission_watch import PermissionWatch
from server.room_directory import RoomDirectory

log = structlog.get_logger(__name__)


class LiveRoomPermissions:
    """`rest.ports.LivePermissions` over the room directory."""

    def __init__(
        self, directory: RoomDirectory, standings: DocumentStandings, watch: PermissionWatch
    ) -> None:
        self._directory = directory
        self._standings = standings
        self._watch = watch

    def set_role(self, document: DocumentName, user_id: UUID, role: Role) -> None:
        """See `rest.ports.LivePermissions.set_role`."""
        self._standings.forget(document, user_id)
        self._directory.set_role(document, user_id, role)
        self._watch.note(document)

    def send_away(self, document: DocumentName, user_id: UUID, reason: str) -> None:
        """See `rest.ports.LivePermissions.send_away`."""
        self._standings.forget(document, user_id)
        self._directory.send_away(document, user_id, reason)

    def set_paused(self, document: DocumentName, *, is_paused: bool) -> None:
        """See `rest.ports.LivePermissions.set_paused`."""
        self._standings.forget(document)
        self._directory.set_paused(document, is_paused=is_paused, at=time.monotonic())
        self._watch.note(document)

    def forget(self, document: DocumentName) -> None:
        """See `rest.ports.LivePermissions.forget`."""
        self._standings.forget(document)
        self._watch.note(document)

    def close_revoked(self) -> None:
        """See `rest.ports.LivePermissions.close_revoked`."""
        closed = self._directory.close_revoked()
        if closed:
            log.info("sockets of revoked tokens closed", count=closed)
