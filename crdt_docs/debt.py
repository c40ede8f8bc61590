"""What a member still has to bring, because an update of its own did not connect (ROM-4)."""

from __future__ import annotations

from collections.abc import Mapping

from crdt_docs.update_facts import UpdateFacts

ASK_AGAIN_SECONDS = 5.0
"""A member that does not bring what it owes is asked again after so long."""


class Debt:
    """Grows with every update that is set aside, by two numbers a client id; ends when all of
    their content has come, from whomever.

    Attributes:
        is_asked: a step 1 was sent and not answered yet.
    """

    __slots__ = ("_asked_at", "_clocks", "_has_deletes", "_needs", "is_asked")

    def __init__(self) -> None:
        self.is_asked = False
        self._asked_at = float("-inf")
        self._clocks: dict[int, int] = {}  # what the document must reach
        self._needs: dict[int, int] = {}  # what must be there for asking again to make sense
        self._has_deletes = False

    def __len__(self) -> int:
        return max(len(self._clocks), len(self._needs))

    def add(self, facts: UpdateFacts, clocks: Mapping[int, int]) -> None:
        """Set one more update aside; `clocks` is what the document has."""
        for client, start, end in facts.ranges:
            if end > clocks.get(client, 0):
                self._clocks[client] = max(end, self._clocks.get(client, 0))
            if start > clocks.get(client, 0):
                self._needs[client] = max(start, self._needs.get(client, 0))
        for client, clock in facts.references.items():
            if clock > clocks.get(client, 0):
                self._needs[client] = max(clock, self._needs.get(client, 0))
        self._has_deletes = self._has_deletes or facts.has_deletes

    def answer(self) -> None:
        """A step 2 that connects has come: it holds everything the member has, and only such a
        one is sure to bring deletions that were set aside."""
        self.is_asked = False
        self._has_deletes = False

    def is_paid(self, clocks: Mapping[int, int]) -> bool:
        """Whether all of it is in a document with these clocks."""
        return not self._has_deletes and all(
            clocks.get(client, 0) >= clock for client, clock in self._clocks.items()
        )

    def may_be_called_in(self, clocks: Mapping[int, int], now: float) -> bool:
        """At once when it is new; again when what was missing has come from others, but once for
        each such occasion, so that a client that never brings it is not asked in a circle."""
        if now - self._asked_at >= ASK_AGAIN_SECONDS:
            return True
        return (
            not self.is_asked
            and bool(self._needs)
            and all(clocks.get(client, 0) >= clock for client, clock in self._needs.items())
        )

    def call_in(self, now: float) -> None:
        """A step 1 is being sent."""
        self.is_asked = True
        self._asked_at = now
        self._needs.clear()
