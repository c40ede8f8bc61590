"""How far the messages of members are dealt with: what they still owe (ROM-4), and receipts."""

from __future__ import annotations

from crdt_docs import messages
from crdt_docs.debt import Debt
from crdt_docs.document import Document
from crdt_docs.errors import LimitExceeded
from crdt_docs.member import Member
from crdt_docs.number_ranges import take_up_to
from crdt_docs.turn import Receipt, Turn
from crdt_docs.update_facts import UpdateFacts


class Settling:
    """Counts what is dealt with of each member, and asks again for what did not connect.

    Attributes:
        owing: who has sent what does not connect.
    """

    __slots__ = ("_changed", "_document", "_max_clients", "owing")

    def __init__(self, document: Document, max_clients: int) -> None:
        self.owing: set[Member] = set()
        self._document = document
        self._max_clients = max_clients
        self._changed: dict[Member, None] = {}

    def dealt_with(self, member: Member) -> None:
        """A message of this member was applied or refused."""
        self._changed[member] = None

    def set_aside(self, member: Member, facts: UpdateFacts, *, is_step2: bool) -> None:
        """An update does not connect: its author owes what it holds.

        Raises:
            LimitExceeded: a document that held all that it owes would be too large.
        """
        debt = member.debt
        if debt is None:
            debt = member.debt = Debt()
            self.owing.add(member)
            member.settled = max(member.settled, member.received - 1)
            self._changed[member] = None
        if is_step2:
            debt.is_asked = False
        debt.add(facts, self._document.outline.clocks)
        if len(debt) > self._max_clients:
            raise LimitExceeded("what is missing names more client ids than a document may have")

    def forget(self, member: Member) -> None:
        """The member is gone."""
        self.owing.discard(member)
        self._changed.pop(member, None)

    def collect(self, turn: Turn, now: float, *, accepts_edits: bool) -> None:
        """See who has paid, ask the others, and make out the receipts."""
        if self.owing:
            self._call_in(turn, now, accepts_edits=accepts_edits)
        for member in self._changed:
            if member.debt is None:
                # What it is busy with is received, but not judged or not all applied.
                member.settled = member.received - (not member.is_judged)
            if member.wants_receipts and member.settled > member.receipted:
                member.receipted = member.settled
                refused = take_up_to(member.refusals, member.settled) if member.refusals else ()
                turn.receipts.append(Receipt(member, member.settled, refused))
        self._changed.clear()

    def _call_in(self, turn: Turn, now: float, *, accepts_edits: bool) -> None:
        clocks = self._document.outline.clocks
        for member in list(self.owing):
            debt = member.debt
            if debt is None or debt.is_paid(clocks):
                member.debt = None
                self.owing.discard(member)
                self._changed[member] = None
            elif (
                accepts_edits
                and not member.is_busy
                and not member.is_behind
                and debt.may_be_called_in(clocks, now)
            ):
                debt.call_in(now)
                step1 = messages.sync_step1(self._document.state_vector())
                turn.replies.append((member, step1))
