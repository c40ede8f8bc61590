"""Long updates, applied in pieces for a while each turn (ROM-16)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from crdt_docs.member import Member, PendingPieces
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_pieces import Pieces

APPLYING_SECONDS = 0.010
"""How long one turn applies pieces of long updates."""

FIRST_PIECE = 8
"""Structs in the first piece of an update, before it is known what they cost."""


class LongEdits:
    """Whose long updates are under way; they take turns.

    In a turn: `begin_round`, then `take` and apply, then `put_back`, until there is no more.
    """

    __slots__ = ("_at", "_begun", "_clock", "_most", "_waiting")

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        """
        Args:
            most: structs and delete ranges of one piece; of more, an update is long.
            clock: tells the seconds that applying takes.
        """
        self._most = most
        self._clock = clock
        self._waiting: deque[Member] = deque()
        self._begun = self._at = 0.0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def concerns(self, facts: UpdateFacts) -> bool:
        """Whether an update is a long one."""
        most = self._most
        return facts.struct_count > most or (facts.has_deletes and facts.deleted_ranges > most)

    def add(
        self,
        member: Member,
        update: bytes,
        facts: UpdateFacts,
        clocks: Mapping[int, int],
        *,
        whole_entries: bool,
    ) -> None:
        """From now on the member is busy; see `Pieces`."""
        pieces = Pieces(update, facts.deletes, clocks, whole_entries=whole_entries)
        member.applying = PendingPieces(pieces, FIRST_PIECE, len(update))
        self._waiting.append(member)

    def waiting_bytes(self) -> int:
        """Of all updates that are not wholly applied."""
        return sum(member.applying.size for member in self._waiting if member.applying)

    def clear(self) -> None:
        """Forget all of it: the document failed."""
        self._waiting.clear()

    def begin_round(self) -> None:
        """A turn begins to apply pieces."""
        self._begun = self._at = self._clock()

    def take(self, *, largest: bool) -> tuple[Member, bytes | None] | None:
        """Whose piece is next, and the piece, if anything of it connects; None: enough for now.

        Args:
            largest: take as much as a piece may hold, whatever it costs.
        """
        while self._waiting and self._at - self._begun < APPLYING_SECONDS:
            member = self._waiting.popleft()
            pending = member.applying
            if pending is not None:
                return member, pending.pieces.take(self._most if largest else pending.at_once)
        return None

    def put_back(self, member: Member, piece: bytes | None) -> bool:
        """The piece was dealt with; whether it was the last of its update, whose member is no
        longer busy with it."""
        before, self._at = self._at, self._clock()
        pending = member.applying
        if pending is None:
            return False
        if pending.pieces.is_done:
            member.applying = None
            return True
        if piece is not None:
            pending.at_once = self._next_size(pending.at_once, self._at - before)
        self._waiting.append(member)
        return False

    def _next_size(self, structs: int, seconds: float) -> int:
        """Among structs of the same kind, cuts near the end of a long text cost yrs a thousand
        times what others do: how many make a piece is found out."""
        if seconds > APPLYING_SECONDS:
            return max(1, structs // 4)
        if seconds < APPLYING_SECONDS / 4:
            return min(2 * structs, self._most)
        return structs
