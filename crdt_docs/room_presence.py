"""Presence in one room: what members say of themselves, and when the others are told."""

from __future__ import annotations

from collections.abc import Sequence

from crdt_docs import messages
from crdt_docs.awareness import AwarenessTable
from crdt_docs.member import Member
from crdt_docs.messages import AwarenessEntry
from crdt_docs.pacing import Gate, Pacing
from crdt_docs.turn import Broadcast

ECHOES_KNOWN = 8
"""Presence broadcasts whose exact repetition is dropped unseen."""


class RoomPresence:
    """Takes presence messages into the table and broadcasts what changed.

    Attributes:
        gate: opens when the next broadcast may be sent.
    """

    __slots__ = ("_pacing", "_table", "_told", "gate")

    def __init__(self, table: AwarenessTable[Member], pacing: Pacing) -> None:
        self.gate = Gate()
        self._table = table
        self._pacing = pacing
        self._told: dict[bytes, None] = {}

    def take(self, member: Member, payload: bytes, now: float) -> None:
        """A member sent this.

        Raises:
            Malformed: it is no presence.
            LimitExceeded: it is more than a member may say.
        """
        if member.has_spoken and (
            self._table.hear_own(member, member.role, payload, now)
            or payload in self._told
            or self._table.is_echo(payload, member)
        ):
            return  # AWR-1: stock clients send back all that they are told
        entries = messages.read_awareness(payload)
        is_first = not member.has_spoken and bool(entries)
        if is_first:
            self._introduce(member, entries)
        self._table.hear(member, member.identity, member.role, entries, now=now, is_first=is_first)

    def _introduce(self, member: Member, entries: Sequence[AwarenessEntry]) -> None:
        """Who speaks of one client id in its first message speaks of its own, if it is free."""
        member.has_spoken = True
        if len(entries) == 1:
            client_id = entries[0].client_id
            holder = self._table.holder(client_id)
            if holder is None or holder.user_id == member.identity.user_id:
                member.own_client = client_id

    def flush(self, now: float, members: int, *, rides: bool) -> Broadcast | None:
        """What changed, as one frame; None if its time has not come.

        Args:
            rides: everybody is written to in this turn anyway. Then it comes as soon, for nothing:
                what costs is the write, and a transport makes one of what it is given in a turn.
        """
        interval = self._pacing.between_presence(members)
        if rides:
            self.gate.pass_anyway(now, interval)
        elif not self.gate.pass_at(now, interval):
            return None
        entries, speaker = self._table.take_changed()
        payload = messages.awareness_payload(entries)
        self._told[payload] = None
        if len(self._told) > ECHOES_KNOWN:
            del self._told[next(iter(self._told))]
        return Broadcast(messages.awareness_frame(payload), speaker, is_update=False)
