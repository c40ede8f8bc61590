"""What single members wait to be told: greetings, answers, and what they missed (ROM-1, ROM-8)."""

from __future__ import annotations

from itertools import islice

from crdt_docs import messages
from crdt_docs.awareness import AwarenessTable
from crdt_docs.document import Document
from crdt_docs.member import Member
from crdt_docs.turn import Turn
from crdt_docs.welcome import Welcome

ANSWERED_AT_ONCE = 32
"""Joiners answered in one turn; a storm of them is spread over several."""


class Answers:
    """Replies that are due. One that does not read is answered when it has drained, however much
    it asks.

    Attributes:
        asking: the state vectors of those who asked for the document.
        behind: whose transport takes no more.
    """

    __slots__ = (
        "_awareness",
        "_catching_up",
        "_document",
        "_greeting",
        "_present_asking",
        "_welcome",
        "asking",
        "behind",
    )

    def __init__(self, document: Document, awareness: AwarenessTable[Member]) -> None:
        self.asking: dict[Member, bytes] = {}
        self.behind: set[Member] = set()
        self._document = document
        self._awareness = awareness
        self._greeting: dict[Member, None] = {}
        self._present_asking: dict[Member, None] = {}
        self._catching_up: dict[Member, None] = {}
        self._welcome = Welcome()

    def greet(self, member: Member) -> None:
        """Somebody has come."""
        self._greeting[member] = None

    def forget(self, member: Member) -> None:
        """Somebody has gone."""
        self.behind.discard(member)
        for waiting in (self._greeting, self._catching_up, self._present_asking, self.asking):
            waiting.pop(member, None)

    def ask_for_presence(self, member: Member) -> None:
        """A member wants to know who is there."""
        self._present_asking[member] = None

    def fell_behind(self, member: Member) -> None:
        """It is sent nothing until `caught_up`."""
        if not member.is_behind:
            member.is_behind = True
            self.behind.add(member)

    def caught_up(self, member: Member) -> None:
        """Its transport takes bytes again."""
        if member in self.behind:
            self._catching_up[member] = None

    @property
    def may_go_on(self) -> bool:
        """Whether the next turn has answers to give, although nothing comes."""
        return any(not member.is_behind for member in self.asking)

    def release(self, now: float) -> None:
        """Let go of what nobody will be given any more."""
        self._welcome.release(now)

    def give(self, turn: Turn, now: float) -> None:
        """Everything that is due."""
        if self._greeting:
            self._give_greetings(turn)
        for member in self._catching_up:
            self._catch_up(turn, member)
        self._catching_up.clear()
        if self.asking:
            self._give_documents(turn, now)
        for member in [each for each in self._present_asking if not each.is_behind]:
            del self._present_asking[member]
            turn.replies.append((member, messages.awareness(self._awareness.everyone())))

    def _give_greetings(self, turn: Turn) -> None:
        step1 = messages.sync_step1(self._document.state_vector())
        present = self._awareness.everyone_anew()
        presence = messages.awareness(present) if present else None
        for member in self._greeting:
            if not member.is_asked_back:
                turn.replies.append((member, step1))
            if presence is not None:
                turn.replies.append((member, presence))
        self._greeting.clear()

    def _catch_up(self, turn: Turn, member: Member) -> None:
        """One update from the state it had, and who is there (ROM-8)."""
        self.behind.discard(member)
        member.is_behind = False
        if member.missed_from is not None:
            update = self._document.diff(member.missed_from)
            turn.replies.append((member, messages.sync_update(update)))
            member.missed_from = None
        entries = self._awareness.everyone_and_departed()
        if entries:
            turn.replies.append((member, messages.awareness(entries)))

    def _give_documents(self, turn: Turn, now: float) -> None:
        hearing = (member for member in self.asking if not member.is_behind)
        for member in list(islice(hearing, ANSWERED_AT_ONCE)):
            state_vector = self.asking.pop(member)
            for frame in self._welcome.frames(self._document, state_vector, now):
                turn.replies.append((member, frame))
            if member.is_asked_back:
                step1 = messages.sync_step1(self._document.state_vector())
                turn.replies.append((member, step1))
            member.is_synced = True
