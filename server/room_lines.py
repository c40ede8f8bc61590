"""The sockets of one room, written to without waiting (ROM-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from crdt_docs import messages
from crdt_docs.member import Member
from crdt_docs.turn import Broadcast
from server.channels import Channel
from server.frames import OutgoingFrame
from server.receipts import Receipts

KEEPALIVE = OutgoingFrame(messages.KEEPALIVE)

SHARED_FROM = 4096
"""Bytes from which a reply is worth remembering as a frame."""


@dataclass(slots=True)
class Line:
    """What is kept of a connection.

    Attributes:
        receipts: how it is told what is stored; None: it is not.
        behind_since: when its channel took no more; None: it does.
    """

    channel: Channel
    receipts: Receipts | None
    behind_since: float | None = None


class RoomLines:
    """Sends to members, and notes who does not read.

    Attributes:
        by_member: the open ones.
    """

    __slots__ = ("_fell_behind", "_shared", "by_member")

    def __init__(self, fell_behind: Callable[[Member], None]) -> None:
        """
        Args:
            fell_behind: told of a member when its channel takes no more.
        """
        self.by_member: dict[Member, Line] = {}
        self._fell_behind = fell_behind
        self._shared: OutgoingFrame | None = None

    def open(self, member: Member, channel: Channel, receipts: Receipts | None) -> None:
        """A member has come."""
        self.by_member[member] = Line(channel, receipts)

    def write(self, member: Member, frame: OutgoingFrame, now: float) -> None:
        """Send one member something; nothing, if it has gone."""
        line = self.by_member.get(member)
        if line is not None:
            line.channel.write(frame, now)
            if line.channel.is_behind:
                self._note_behind(member, line, now)

    def takes_no_more(self, member: Member) -> bool:
        """Whether a member's channel is behind, or gone."""
        line = self.by_member.get(member)
        return line is None or line.channel.is_behind

    def reply(self, replies: Iterable[tuple[Member, bytes]], now: float) -> None:
        """Send payloads to one member each."""
        for member, payload in replies:
            self.write(member, self._frame_of(payload), now)

    def broadcast(self, broadcasts: Sequence[Broadcast], now: float) -> None:
        """Send frames to all whom they concern: what a turn has for somebody, in one write."""
        if len(broadcasts) == 2:
            update, presence = broadcasts
            self._broadcast_both(update, presence, now)
            return
        for broadcast in broadcasts:
            frame = OutgoingFrame(broadcast.frame)
            concerns = broadcast.concerns
            for member, line in self.by_member.items():
                if concerns(member):
                    channel = line.channel
                    channel.write(frame, now)
                    if channel.is_behind:
                        self._note_behind(member, line, now)

    def _broadcast_both(self, update: Broadcast, presence: Broadcast, now: float) -> None:
        edits, states = OutgoingFrame(update.frame), OutgoingFrame(presence.frame)
        for member, line in self.by_member.items():
            channel = line.channel
            if update.concerns(member):
                if presence.concerns(member):
                    channel.write_both(edits, states, now)
                else:
                    channel.write(edits, now)
            elif presence.concerns(member):
                channel.write(states, now)
            else:
                continue
            if channel.is_behind:
                self._note_behind(member, line, now)

    def _note_behind(self, member: Member, line: Line, now: float) -> None:
        if not member.is_behind:
            line.behind_since = now
            self._fell_behind(member)

    def _frame_of(self, payload: bytes) -> OutgoingFrame:
        """Joiners share their large answer as one object: let them share its frame, too."""
        if len(payload) < SHARED_FROM:
            return OutgoingFrame(payload)
        if self._shared is None or self._shared.payload is not payload:
            self._shared = OutgoingFrame(payload)
        return self._shared

    def release(self) -> None:
        """Let go of the frame that joiners share."""
        self._shared = None

    def keep_alive(self, now: float, silence: float) -> None:
        """Send something to those who read, and were sent nothing for so many seconds."""
        for member, line in list(self.by_member.items()):
            if line.behind_since is None and now - line.channel.last_sent >= silence:
                self.write(member, KEEPALIVE, now)

    def behind_for(self, now: float, seconds: float) -> list[Member]:
        """Who has been behind for longer than this."""
        return [
            member
            for member, line in self.by_member.items()
            if line.behind_since is not None and now - line.behind_since > seconds
        ]
