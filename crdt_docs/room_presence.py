"""Presence in one room: what members say of themselves, and when the others are told."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from crdt_docs import messages
from crdt_docs.awareness import AwarenessTable
from crdt_docs.member import Member
from crdt_docs.messages import AwarenessEntry
from crdt_docs.pacing import Gate, Pacing
from crdt_docs.turn import Broadcast
from crdt_docs.varint import read_var_uint

ECHOES_KNOWN = 8
"""Presence broadcasts whose exact repetition is dropped unseen."""

ECHOING_SECONDS: Final = 20.0
"""For so long after an echo a member counts as one who sends everything back. Stock clients show
themselves every 15 s, and all others send that back."""


class RoomPresence:
    """Takes presence messages into the table and broadcasts what changed.

    Attributes:
        gate: opens when the next broadcast may be sent.
    """

    __slots__ = ("_echoing", "_messages", "_pacing", "_table", "_told", "gate")

    def __init__(self, table: AwarenessTable[Member], pacing: Pacing) -> None:
        self.gate = Gate()
        self._table = table
        self._pacing = pacing
        self._told: dict[bytes, None] = {}
        # When each did so last, the latest last; a dict passes over all that moved (`Gestures`).
        self._echoing: OrderedDict[Member, float] = OrderedDict()
        self._messages = 0  # of what is to be told next

    def take(self, member: Member, payload: bytes, now: float) -> None:
        """A member sent this.

        Raises:
            Malformed: it is no presence.
            LimitExceeded: it is more than a member may say.
        """
        if not self._is_usual(member, payload, now):
            entries = messages.read_awareness(payload)
            is_first = not member.has_spoken and bool(entries)
            if is_first:
                self._introduce(member, entries)
            who, role = member.identity, member.role
            self._table.hear(member, who, role, entries, now=now, is_first=is_first)
        if self._table.has_changed:
            self._messages += 1

    def _is_usual(self, member: Member, payload: bytes, now: float) -> bool:
        """Whether that was a next state, which is taken, or an echo (AWR-1): stock clients send
        back all that they are told."""
        if not member.has_spoken:
            return False
        if self._table.hear_own(member, member.role, payload, now):
            return True
        if payload not in self._told and not self._table.is_echo(payload, member):
            return False
        if _is_of_others(payload, member):
            self._echoing[member] = now
            self._echoing.move_to_end(member)
        return True

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
        self._echoing.pop(member, None)

    def flush(self, now: float, members: int, *, rides: bool) -> Broadcast | None:
        """What changed, as one frame; None if its time has not come.

        Args:
            rides: everybody is written to in this turn anyway. Then it comes as soon, for nothing:
                what costs is the write, and what a turn has for somebody is one. Unless it comes
                back from them.
        """
        echoing = self._count_echoing(now)
        if not self.gate.is_open(now) and (echoing or not rides):
            return None
        entries, speaker = self._table.take_changed()
        asked, self._messages = max(self._messages, 1), 0
        wait = self._pacing.after_presence(members, asked, now, echoing=echoing)
        self.gate.close(now, wait)
        payload = messages.awareness_payload(entries)
        self._told[payload] = None
        if len(self._told) > ECHOES_KNOWN:
            del self._told[next(iter(self._told))]
        return Broadcast(messages.awareness_frame(payload), speaker, is_update=False)

    def _count_echoing(self, now: float) -> int:
        while self._echoing:
            member, heard_at = next(iter(self._echoing.items()))
            if now - heard_at <= ECHOING_SECONDS:
                break
            del self._echoing[member]
        return len(self._echoing)


def _is_of_others(payload: bytes, member: Member) -> bool:
    """Whether presence that can be read speaks of somebody besides the one who sent it."""
    count, position = read_var_uint(payload, 0)
    return count > 1 or (count == 1 and read_var_uint(payload, position)[0] != member.own_client)
