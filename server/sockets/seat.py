"""A socket's place in one room: what arrives, on its way to the host (FRM-5)."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from crdt_docs.access import Role, may_edit
from crdt_docs.member import Member
from crdt_docs.messages import CloseCode, is_step2
from server.channels import Channel
from server.receipts import Receipts
from server.room_host import RoomHost
from server.sockets.admission import Admitted

NO_TEXT = "text frames are not spoken here; send binary"


class Seat:
    """Where a member sits; a `direct_channel.Receiver`."""

    __slots__ = ("_host", "_max_frame_bytes", "_member")

    def __init__(self, host: RoomHost, max_frame_bytes: int) -> None:
        self._host = host
        self._max_frame_bytes = max_frame_bytes
        self._member: Member | None = None

    def take(
        self,
        channel: Channel,
        admitted: Admitted,
        *,
        receipts: Receipts | None,
        is_asked_back: bool = False,
    ) -> None:
        """Enter the room. The arguments are those of `RoomHost.join`."""
        lifetime = (admitted.expires_at - datetime.now(UTC)).total_seconds()
        self._member = self._host.join(
            channel,
            admitted.identity,
            admitted.role,
            receipts=receipts,
            is_asked_back=is_asked_back,
            expires_at=self._host.now + lifetime,
            credentials=admitted.credentials,
            visitor=admitted.visitor,
        )

    @property
    def role(self) -> Role:
        """What the member may do now."""
        return Role.SPECTATOR if self._member is None else self._member.role

    @property
    def expires_at(self) -> float:
        """When the member's token ends, by the host's clock."""
        return math.inf if self._member is None else self._host.expires_at(self._member)

    def on_frame(self, frame: bytes, *, more: bool = False) -> None:
        """A binary message (FRM-5)."""
        member = self._member
        if member is None:
            return
        if len(frame) > self._max_frame_bytes and len(frame) > (most := self._most(member, frame)):
            reason = f"a frame of {len(frame)} bytes; {most:.0f} are allowed"
            self._host.expel(member, CloseCode.TOO_BIG, reason)
        else:
            self._host.receive(member, frame, more=more)

    def _most(self, member: Member, frame: bytes) -> float:
        """How large a frame may be."""
        if not is_step2(frame):
            return self._max_frame_bytes
        if may_edit(member.role):
            return math.inf
        # A reader's answer names all that was ever deleted, and brings next to nothing.
        return self._max_frame_bytes + self._host.room.size

    def on_text(self) -> None:
        """A text message (FRM-5)."""
        self.expel(CloseCode.MALFORMED, NO_TEXT)

    def expel(self, code: CloseCode, reason: str) -> None:
        """Close the socket for what it sent."""
        if self._member is not None:
            self._host.expel(self._member, code, reason)

    def on_writable(self) -> None:
        """The socket takes bytes again."""
        if self._member is not None:
            self._host.writable(self._member)

    def on_lost(self) -> None:
        """The socket is gone."""
        member, self._member = self._member, None
        if member is not None:
            self._host.leave(member)
