"""Edits on their way to the others in a room: one frame for all of an interval (ROM-7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pycrdt import merge_updates

from crdt_docs import messages
from crdt_docs.member import Member
from crdt_docs.pacing import Gate, Pacing
from crdt_docs.state_vector import encode_state_vector
from crdt_docs.turn import Broadcast

MERGED_AT_ONCE = 1000
"""Updates that wait for their interval at most: merging them costs more than proportionally."""


class OutgoingUpdates:
    """Applied updates that the others were not sent yet.

    Attributes:
        waiting: each with its author, who has it already; None: nobody has.
        gate: opens when they may be sent.
    """

    __slots__ = ("_pacing", "_unsent_from", "gate", "waiting")

    def __init__(self, pacing: Pacing) -> None:
        self.waiting: list[tuple[bytes, Member | None]] = []
        self.gate = Gate()
        self._pacing = pacing
        self._unsent_from: dict[int, int] = {}

    def begin(self, client: int, clock: int) -> None:
        """The document has more of a client id than the others were sent, from this clock on."""
        self._unsent_from.setdefault(client, clock)

    def flush(
        self,
        now: float,
        members: int,
        behind: Iterable[Member],
        clocks: Mapping[int, int],
    ) -> Broadcast | None:
        """All that waits, as one frame; None if its time has not come.

        Args:
            members: how many are in the room.
            behind: those who are sent nothing: from now on they miss something.
            clocks: of the document.
        """
        if not self.gate.is_open(now) and len(self.waiting) < MERGED_AT_ONCE:
            return None
        self.gate.close(now, self._pacing.after_updates(members, len(self.waiting), now))
        updates = [update for update, _ in self.waiting]
        merged = updates[0] if len(updates) == 1 else merge_updates(*updates)
        authors = {member for _, member in self.waiting}
        for member in behind:
            if member.missed_from is None:
                member.missed_from = encode_state_vector({**clocks, **self._unsent_from})
        self.waiting.clear()
        self._unsent_from.clear()
        author = authors.pop() if len(authors) == 1 else None
        return Broadcast(messages.sync_update(merged), author, is_update=True)
