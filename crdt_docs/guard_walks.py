"""Walks of large updates, and of step 1s that name many clients, a slice a turn (ROM-6)."""

from __future__ import annotations

from collections import deque

from crdt_docs.member import Member, PendingQuestion, PendingWalk
from crdt_docs.update_facts import UpdateFacts

STRUCTS_PER_SLICE = 500
"""How much of a large update one turn walks: about a millisecond."""

SLICES_AT_ONCE = 8
"""Of an update that is not large, but may have very many structs."""


class GuardWalks:
    """What is walked: one after the other, because what a walk finds takes many times the memory
    of the update.

    Attributes:
        waiting: whose they are, in order of arrival.
    """

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: deque[Member] = deque()

    def begin(self, member: Member, pending: PendingWalk | PendingQuestion) -> None:
        """From now on the member is busy."""
        member.walking = pending
        self.waiting.append(member)

    def advance(self) -> tuple[PendingWalk, UpdateFacts] | bytes | None:
        """Walk one slice of the first; if that was the last, what it found: facts, or what of a
        state vector the document knows. The member is no longer busy with it then.

        Raises:
            Refusal: the first in `waiting` sent what cannot be taken.
        """
        member = self.waiting[0]
        match member.walking:
            case PendingQuestion(walk):
                known = walk.advance()
                if known is not None:
                    self.forget(member)
                return known
            case PendingWalk(walk) as pending:
                facts = walk.advance(STRUCTS_PER_SLICE)
                if facts is None:
                    return None
                self.forget(member)
                return pending, facts
            case None:
                raise AssertionError("who waits for a walk has one")

    def forget(self, member: Member) -> None:
        """End a member's walk, if there is one."""
        if member.walking is not None:
            self.waiting.remove(member)
            member.walking = None
