"""Guard walks of large updates, a slice a turn (ROM-6)."""

from __future__ import annotations

from collections import deque

from crdt_docs.member import Member, PendingWalk
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_guard import GuardLimits, GuardWalk

STRUCTS_PER_SLICE = 500
"""How much of a large update one turn walks: about a millisecond."""


class GuardWalks:
    """Large updates whose walk is under way: one after the other, because what a walk finds takes
    many times the memory of the update.

    Attributes:
        waiting: whose they are, in order of arrival.
    """

    __slots__ = ("_limits", "waiting")

    def __init__(self, limits: GuardLimits) -> None:
        self.waiting: deque[Member] = deque()
        self._limits = limits

    def begin(self, member: Member, update: bytes, *, is_step2: bool) -> None:
        """From now on the member is busy."""
        member.walking = PendingWalk(GuardWalk(update, self._limits), update, is_step2)
        self.waiting.append(member)

    def advance(self) -> tuple[PendingWalk, UpdateFacts] | None:
        """Walk one slice of the first; what it found if that was the last, and the member is no
        longer busy with it.

        Raises:
            Refusal: the first in `waiting` sent what cannot be taken.
        """
        member = self.waiting[0]
        pending = member.walking
        if pending is None:
            raise AssertionError("who waits for a walk has one")
        facts = pending.walk.advance(STRUCTS_PER_SLICE)
        if facts is None:
            return None
        self.forget(member)
        return pending, facts

    def forget(self, member: Member) -> None:
        """End a member's walk, if there is one."""
        if member.walking is not None:
            self.waiting.remove(member)
            member.walking = None
