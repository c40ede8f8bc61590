"""Which of a Hocuspocus client's messages are to be answered with a sync status (HOC-5, HOC-6).

A provider counts what is not stored: it sets the count to one when it sends a step 1, adds one
with each update it sends, and takes one away with each status that says *stored*. The step 2 with
which it answers a step 1 of ours is not added. So of those only the answer to the question that
follows its own step 1 may be acknowledged, or the count would reach zero too early. Nor may an
update that was made without a connection: it was counted before that step 1, and comes after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crdt_docs.clocks import MAX_CLOCK
from crdt_docs.errors import Malformed
from crdt_docs.messages import is_step1, is_step2
from crdt_docs.number_ranges import add_number, join_ranges
from crdt_docs.varint import read_var_bytes, read_var_uint, var_uint

_UPDATES = (b"\x00\x01", b"\x00\x02")


MOST_LOOKED_AT = 64
"""Places in a state vector where a client id may stand: one of Yjs, a random number of 32 bits,
hardly ever has a second."""

_CONTINUING = bytes(range(0x80, 0x100))


def _clock_in(question: bytes, client: int) -> int:
    """A client's next clock, by a step 1. One that its room refuses may say anything.

    Found without reading the others, of which there may be tens of thousands. Where too many
    places look like it, it counts as known in full.
    """
    vector, _ = read_var_bytes(question, 2)
    _, beginning = read_var_uint(vector, 0)
    wanted = var_uint(client)
    numbers = 0  # that begin before `counted`
    counted = place = beginning
    for _ in range(MOST_LOOKED_AT):
        place = vector.find(wanted, place)
        if place < 0:
            return 0
        numbers += len(vector[counted:place].translate(None, _CONTINUING))
        counted = place
        # Clients and clocks take turns.
        if numbers % 2 == 0 and (place == beginning or vector[place - 1] < 0x80):
            return read_var_uint(vector, place + len(wanted))[0]
        place += 1
    return MAX_CLOCK


class SyncStatuses:
    """The count that the provider keeps for one address, seen from here."""

    __slots__ = (
        "_answer",
        "_answers_after",
        "_answers_before",
        "_is_answer_awaited",
        "_is_asked",
        "_is_coming",
        "_question",
        "_received",
        "_refused",
        "_said",
        "_settled",
        "_silent",
    )

    def __init__(self) -> None:
        self._received = 0
        self._settled = 0
        self._said = 0
        self._refused: list[range] = []
        self._silent: list[range] = []
        # Step 2s to come, in order: some that answer older questions of ours, perhaps the one
        # that answers the question behind the client's last step 1, and some after that.
        self._is_asked = False
        self._is_coming = True
        self._question = b""
        """The client's last step 1, until it is answered."""
        self._answers_before = 0
        self._is_answer_awaited = False
        self._answers_after = 0
        self._answer = 0
        """Number of the step 2 that answered the last question behind a step 1 of the client;
        nothing is said until it is stored."""

    def hear(self, frame: bytes) -> None:
        """The client sent this y-protocols frame."""
        if is_step1(frame):
            self._begin_anew(frame)
        elif frame.startswith(_UPDATES):
            self._received += 1
            if is_step2(frame):
                self._take_answer()
            elif self._is_open and self._is_older(frame):
                add_number(self._silent, self._received)

    @property
    def _is_open(self) -> bool:
        """The client's last step 1 has not come back as a step 2 yet."""
        return self._is_asked or self._is_answer_awaited

    def _begin_anew(self, question: bytes) -> None:
        """HOC-6: the client has set its count to one. What it sent before is covered by the
        step 2 to come; a status for it would be one too many."""
        self._answers_before += self._is_answer_awaited + self._answers_after
        self._answers_after = 0
        self._is_answer_awaited = False
        self._is_asked = True
        self._question = question
        self._silent = [range(1, self._received + 1)] if self._received else []

    def _is_older(self, update: bytes) -> bool:
        """Whether an update was made before the client's last step 1, although it comes after it.

        Its first struct tells: what was made later begins where the state vector ends. One that
        only deletes does not say; it counts as older if the client has just come, which is when
        there may be older ones. Then "saved" may be shown too late, but never too early.
        """
        try:
            beginning = _beginning_of(update)
            if beginning is None:
                return self._is_coming
            client, clock = beginning
            return clock < _clock_in(self._question, client)
        except Malformed:
            return False  # its room closes the socket for it

    def _take_answer(self) -> None:
        if self._answers_before:
            self._answers_before -= 1
            add_number(self._silent, self._received)
        elif self._is_answer_awaited:
            self._is_answer_awaited = False
            self._answers_before, self._answers_after = self._answers_after, 0
            self._answer = self._received
            self._is_coming = False
            self._question = b""

    def say(self, frame: bytes) -> None:
        """The room sends the client this y-protocols frame."""
        if not is_step1(frame):
            return
        if self._is_asked:
            self._is_asked = False
            self._is_answer_awaited = True
        elif self._is_answer_awaited:
            self._answers_after += 1
        else:
            self._answers_before += 1

    def settle(self, count: int, refused: Sequence[range]) -> None:
        """The first `count` of the client's step 2s and updates are stored, or were refused.

        Args:
            refused: numbers of the refused ones since the last call.
        """
        self._settled = count
        join_ranges(self._refused, refused)

    def due(self) -> Iterator[bool]:
        """What is to be said now, in order: whether a message is stored, or was refused."""
        if self._is_open or self._settled < self._answer:
            return
        while self._said < self._settled:
            self._said += 1
            if _is_next(self._refused, self._said):
                yield False
            elif not _is_next(self._silent, self._said):
                yield True


def _beginning_of(update: bytes) -> tuple[int, int] | None:
    """Client and clock of the first struct in a sync frame's update; None if it only deletes."""
    payload, _ = read_var_bytes(update, 2)
    clients, at = read_var_uint(payload, 0)
    if not clients:
        return None
    _, at = read_var_uint(payload, at)
    client, at = read_var_uint(payload, at)
    return client, read_var_uint(payload, at)[0]


def _is_next(ranges: list[range], number: int) -> bool:
    """Whether a number is in ranges of which those before it are not needed any more."""
    while ranges and ranges[0].stop <= number:
        del ranges[0]
    return bool(ranges) and number in ranges[0]
