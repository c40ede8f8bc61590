"""What the sockets work with."""

from __future__ import annotations

from dataclasses import dataclass

from server.audit import AuditTrail
from server.authentication import Authenticator
from server.counters import Counters
from server.document_standings import DocumentStandings
from server.limits.users import Users
from server.room_directory import RoomDirectory


@dataclass(frozen=True, slots=True)
class SocketServices:
    """Built by `server.app`.

    Attributes:
        users: how many sockets they have, and what they may send.
        max_frame_bytes: of anything but a step 2, which may be as large as a document.
    """

    directory: RoomDirectory
    standings: DocumentStandings
    authenticator: Authenticator
    counters: Counters
    audit: AuditTrail
    users: Users
    max_frame_bytes: int
