"""Who may hold what, by the roles and rules of a room (POS-32)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crdt_docs.access import Role, may_edit
from crdt_docs.member import Member
from crdt_docs.object_kinds import ObjectRoot
from crdt_docs.ownership import Entry
from crdt_docs.pose_messages import Denial
from crdt_docs.room import Room
from crdt_docs.rules import Rule

_DENIALS: Final[Mapping[Rule, Denial]] = {
    Rule.LOCKED: Denial.LOCKED,
    Rule.NOT_OWN: Denial.MAY_NOT_EDIT,
    Rule.PAUSED: Denial.PAUSED,
}


class RoomPermits:
    """Whoever may edit an object in the document may hold it. See `holds.Permits`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._reader = room.document.objects()

    def refusal(self, holder: Member, object_id: str) -> Denial | None:
        """Why a member may not hold an object; None: it may."""
        if not may_edit(holder.role):
            return Denial.MAY_NOT_EDIT
        if self._room.is_paused and not self.is_host(holder):
            return Denial.PAUSED
        entry = Entry(ObjectRoot.OBJECTS, object_id)
        if not self._reader.has(*entry):
            return Denial.NO_OBJECT
        authority = self._room.authority
        if authority is None:
            return None
        fault = authority.fault_of(entry, holder.identity.user_id, holder.role)
        return None if fault is None else _DENIALS[fault.rule]

    def is_host(self, holder: Member) -> bool:
        """Whether a member is a host of the session."""
        return holder.role is Role.HOST
