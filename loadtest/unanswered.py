"""What one person wrote: what of it is known to be stored, and what has to be sent again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from pycrdt import merge_updates

from loadtest.dialects import EMPTY_UPDATE

KEPT: Final = 1_000
"""Of so many of its last edits a client has the bytes where it is never told what is stored."""

_NO_STRUCTS: Final = b"\x00"


@dataclass(frozen=True, slots=True)
class Written:
    """Attributes:
    client: the Yjs client id.
    sent: the clock after the last edit that was sent.
    acknowledged: after the last one that the server called stored; 0 where it never does.
    """

    client: int
    sent: int
    acknowledged: int


class _Due(NamedTuple):
    """What an answer will be of: the edits up to this one, which was due then (0: a step 2)."""

    number: int
    clock: int
    due: int


_NOTHING: Final = _Due(0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Edit:
    number: int
    clock: int
    update: bytes

    def is_missing(self, known: int) -> bool:
        """Whether a server that knows the clocks below lacks it. Of deletions clocks do not tell:
        they have none, and clients send all that they know of."""
        return self.clock > known or self.update.startswith(_NO_STRUCTS)


class Unanswered:
    """The edits of one client id, and the answers of one connection after the other.

    Attributes:
        sent: the clock after the last edit.
        acknowledged: after the last one that the server called stored.
    """

    def __init__(self, *, is_answered: bool) -> None:
        """
        Args:
            is_answered: the server says what it has stored.
        """
        self.sent = 0
        self.acknowledged = 0
        self._is_answered = is_answered
        self._is_refused = False
        self._edits: deque[_Edit] = deque(maxlen=None if is_answered else KEPT)
        self._due: deque[_Due] = deque()
        self._written = 0
        self._answers = 0

    @property
    def waiting(self) -> int:
        """How many steps 2 and updates the server has not answered."""
        return len(self._due)

    def connected(self) -> None:
        """A new connection, which counts from the beginning."""
        self._due.clear()
        self._answers = 0

    def wrote(self, clock: int, update: bytes, due: int) -> None:
        """An edit was sent, or will be when there is a connection again.

        Args:
            clock: after it.
            due: when it was.
        """
        self.sent = clock
        self._written += 1
        self._edits.append(_Edit(self._written, clock, update))
        if self._is_answered:
            self._due.append(_Due(self._written, clock, due))

    def missing(self, known: int) -> bytes:
        """What the server lacks, as one update, to be sent as a step 2.

        Args:
            known: the clock up to which it has this client's edits.
        """
        lacking = [each.update for each in self._edits if each.is_missing(known)]
        if self._is_answered:
            self._due.append(_Due(self._written, self.sent, 0) if lacking else _NOTHING)
        return merge_updates(*lacking) if lacking else EMPTY_UPDATE

    def stored(self, count: int, *, is_total: bool) -> list[int]:
        """The server has dealt with so many: returns when those of them were due that are edits."""
        fresh = count - self._answers if is_total else count
        self._answers += fresh
        answered = [self._due.popleft() for _ in range(min(fresh, len(self._due)))]
        self._note_stored(max(answered, default=_NOTHING))
        return [each.due for each in answered if each.due]

    def refused(self, *, is_answer: bool) -> None:
        """An edit was refused. From now on nothing more is said to be stored: nobody says which
        one it was, and later ones may build on it.

        Args:
            is_answer: that was its answer; otherwise one follows that counts it, too.
        """
        self._is_refused = True
        if is_answer:
            self.stored(1, is_total=False)

    def _note_stored(self, last: _Due) -> None:
        if self._is_refused:
            return
        self.acknowledged = max(self.acknowledged, last.clock)
        while self._edits and self._edits[0].number <= last.number:
            self._edits.popleft()
