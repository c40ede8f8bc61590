"""Edits that were not applied: what their authors are told, and which clocks they used up
(ACC-3, ACC-4)."""

from __future__ import annotations

from crdt_docs import messages
from crdt_docs.document import Document
from crdt_docs.member import Member
from crdt_docs.number_ranges import add_number
from crdt_docs.own_clients import OwnClients
from crdt_docs.rules import Rule
from crdt_docs.turn import Refused, Turn
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_surgery import placeholder


class Refusals:
    """What was refused in one room.

    Attributes:
        untold: the newest reason of each member that is still to be told one.
    """

    __slots__ = ("_document", "_noted", "_own_clients", "untold")

    def __init__(self, document: Document, own_clients: OwnClients) -> None:
        self.untold: dict[Member, str] = {}
        self._document = document
        self._own_clients = own_clients
        self._noted: list[Refused] = []

    def refuse(self, member: Member, facts: UpdateFacts, rule: Rule, reason: str) -> None:
        """Nothing of an edit is applied: remember which clocks its author has used up."""
        if not self._document.lacks(facts):
            return  # a reader's answer to our step 1 that holds nothing of its own
        member.is_stale = True
        if member.own_client is None:
            self._own_clients.adopt(member, facts)
        known = self._document.outline.clocks.get(member.own_client or -1, 0)
        for client, start, end in facts.ranges:
            if client == member.own_client and start <= max(known, member.refused_until):
                member.refused_until = max(end, member.refused_until)
        self.note(member, rule, reason)

    def note(self, member: Member, rule: Rule, reason: str) -> None:
        """Tell the author of the message that is being dealt with, and count it."""
        self.untold[member] = reason
        self._noted.append(Refused(member, reason, rule))
        if member.wants_receipts:
            add_number(member.refusals, member.received)

    def filling(self, member: Member) -> bytes | None:
        """What fills the clocks of a member's refused edits, so that later ones connect; None:
        nothing has to. To be applied before anything that the member does afterwards.

        Asked for when the member edits legally or leaves, not with every refusal: until then
        nothing depends on it. Never for a client id that somebody else introduced.
        """
        client, until = member.own_client, member.refused_until
        if client is None or until == 0:
            return None
        member.refused_until = 0
        known = self._document.outline.clocks.get(client, 0)
        if until <= known or not self._own_clients.introduced_by(member, client):
            return None
        member.filled.append((known, until))
        return placeholder([(client, known, until)])

    def tell(self, turn: Turn) -> None:
        """Say why, to those who read (ROM-8)."""
        for member in [each for each in self.untold if not each.is_behind]:
            turn.replies.append((member, messages.denied(self.untold.pop(member))))

    def take_noted(self) -> list[Refused]:
        """Those since the last time."""
        noted, self._noted = self._noted, []
        return noted
