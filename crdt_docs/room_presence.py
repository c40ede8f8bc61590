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

    __slots__ = ("_echoing", "_pacing", "_table", "_told", "gate")

    def __init__(self, table: AwarenessTable[Member], pacing: Pacing) -> None:
        self.gate = Gate()
        self._table = table
        self._pacing = pacing
        self._told: dict[bytes, None] = {}
        self._echoing: set[Member] = set()

    def take(self, member: Member, payload: bytes, now: float) -> None:
        """A member sent this.

        Raises:
            Malformed: it is no presence.
            LimitExceeded: it is more than a member may say.
        """
        if member.has_spoken:
            if self._table.hear_own(member, member.role, payload, now):
                return
            if payload in self._told or self._table.is_echo(payload, member):
                self._echoing.add(member)  # AWR-1: stock clients send back all that they are told
                return
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

    def forget(self, member: Member) -> None:
        """It has left."""
        self._echoing.discard(member)

    def flush(self, now: float, members: int, *, rides: bool) -> Broadcast | None:
        """What changed, as one frame; None if its time has not come.

        Args:
            rides: everybody is written to in this turn anyway. Then it comes as soon, for nothing:
                what costs is the write, and what a turn has for somebody is one. Unless it comes
                back from them.
        """
        echoing = len(self._echoing)
        if not self.gate.is_open(now) and (echoing or not rides):
            return None
        entries, speaker = self._table.take_changed()
        wait = self._pacing.after_presence(members, len(entries), now, echoing=echoing)
        self.gate.close(now, wait)
        payload = messages.awareness_payload(entries)
        self._told[payload] = None
        if len(self._told) > ECHOES_KNOWN:
            del self._told[next(iter(self._told))]
        return Broadcast(messages.awareness_frame(payload), speaker, is_update=False)
