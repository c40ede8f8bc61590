"""What REST changes about people, carried out on their open sockets (ACC-11, ACC-15)."""

from __future__ import annotations

import time
from uuid import UUID

import structlog

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
from server.permission_watch import PermissionWatch
from server.room_directory import RoomDirectory
from server.standings import StandingReader

log = structlog.get_logger(__name__)


class LiveRoomPermissions:
    """`rest.ports.LivePermissions` over the room directory."""

    def __init__(
        self, directory: RoomDirectory, standings: StandingReader, watch: PermissionWatch
    ) -> None:
        self._directory = directory
        self._standings = standings
        self._watch = watch

    def set_role(self, session_id: UUID, user_id: UUID, role: Role) -> None:
        """See `rest.ports.LivePermissions.set_role`."""
        name = document_name(DocumentKind.OCW, session_id)
        self._standings.forget(session_id, user_id)
        self._directory.set_role(name, user_id, role)
        self._watch.note(name)

    def send_away(self, session_id: UUID, user_id: UUID, reason: str) -> None:
        """See `rest.ports.LivePermissions.send_away`."""
        self._standings.forget(session_id, user_id)
        self._directory.send_away(document_name(DocumentKind.OCW, session_id), user_id, reason)

    def set_paused(self, session_id: UUID, *, is_paused: bool) -> None:
        """See `rest.ports.LivePermissions.set_paused`."""
        name = document_name(DocumentKind.OCW, session_id)
        self._standings.forget(session_id)
        self._directory.set_paused(name, is_paused=is_paused, at=time.monotonic())
        self._watch.note(name)

    def forget_session(self, session_id: UUID) -> None:
        """See `rest.ports.LivePermissions.forget_session`."""
        self._standings.forget(session_id)

    def close_revoked(self) -> None:
        """See `rest.ports.LivePermissions.close_revoked`."""
        closed = self._directory.close_revoked()
        if closed:
            log.info("sockets of revoked tokens closed", count=closed)
