"""One person of a run: what its story can do, and what it measures while it does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic_ns
from typing import Final

import httpx

from crdt_docs.errors import Malformed
from crdt_docs.messages import MessageType
from crdt_docs.state_vector import walk_state_vector
from loadtest import marks
from loadtest.board import Board
from loadtest.client_ids import client_id
from loadtest.connection import NO_CLOSE_FRAME, Connection, fail
from loadtest.dialects import Answered, Asked, Dialect, Refused, Stored
from loadtest.headset import Headset
from loadtest.measures import Count, Delay, Measures
from loadtest.plan import Plan
from loadtest.presence import Presence
from loadtest.rest import Rest
from loadtest.seat import Seat
from loadtest.timeline import SECOND, Timeline
from loadtest.unanswered import Unanswered, Written
from loadtest.wire import NotAWebSocket

JOIN_SECONDS: Final = 60.0
"""After that somebody who has not got the document gives up."""

FIRST_BACKOFF: Final = 0.1
MOST_BACKOFF: Final = 2.5
"""Seconds between attempts, as y-websocket has them: doubled each time."""

RENEWAL_SECONDS: Final = 15.0
"""After which presence that has not changed is shown again, as y-protocols does."""

STORED_SECONDS: Final = 8.0
"""So long whoever goes to the next meeting waits for the server to store what was written."""

LOOK_SECONDS: Final = 0.05


class Gone(Exception):  # noqa: N818 - says what is the case
    """The server has ended the connection, or does not let somebody in.

    Attributes:
        code: of the close frame; 0: there was none.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code

    @property
    def is_final(self) -> bool:
        """y-websocket does not come back after these."""
        return 4400 <= self.code <= 4499


OnLeft = Callable[[int, Written], None]
"""Told when somebody has left a document for the next one: which it was, and what they wrote."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all people of a process have in common.

    Attributes:
        start: of the run, in nanoseconds of the monotonic clock.
        api: connections to the server's REST API.
        tls: whom to trust; None: whom the machine does.
        expected_closes: codes that are part of the story, and not counted.
        on_left: told of everybody who leaves a meeting.
    """

    plan: Plan
    measures: Measures
    start: int
    api: httpx.AsyncClient
    tls: ssl.SSLContext | None = None
    expected_closes: frozenset[int] = frozenset()
    on_left: OnLeft = lambda *_: None


class Participant:
    """Somebody with a seat, and with one in each of the meetings that come later.

    Attributes:
        random: its own dice: the same seed and number throw the same.
        timeline: when what it does is due.
        client: its Yjs client id.
        board: makes the updates that it writes.
        presence: makes what it shows of itself.
        is_joined: it is connected, and has the document.
    """

    def __init__(self, seat: Seat, shared: Shared, later: Sequence[Seat] = ()) -> None:
        plan = shared.plan
        self.plan = plan
        self.measures = shared.measures
        self.random = Random(f"{plan.seed} {seat.number}")  # noqa: S311 - to be thrown again
        begin = shared.start + int(plan.arrival(seat.number) * SECOND)
        self.timeline = Timeline(begin, self._note_late)
        self.is_joined = False
        self._shared = shared
        self._later = list(later)
        self._edit_tag = marks.tag(seat.number, marks.EDIT)
        self._cursor_tag = marks.tag(seat.number, marks.CURSOR)
        self._marks = 0
        self._connection: Connection | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._is_leaving = False
        self._gone: Gone | None = None
        self._shown_at = 0
        self._renewal: asyncio.TimerHandle | None = None
        self._sit(seat)

    def _sit(self, seat: Seat) -> None:
        """Be at this seat, with a document in which nothing has been written yet."""
        shared, number = self._shared, seat.number
        self.seat = seat
        self.client = client_id(shared.start, seat.room // self.plan.rooms, number)
        self.board = Board(self.client, self.next_mark)
        self.presence = Presence(self.client, f"Person {number}", self.next_cursor_mark)
        self.rest = Rest(shared.api, seat, shared.measures, self.timeline)
        self.headset = Headset(self)
        self._dialect = Dialect.of(seat)
        self._unanswered = Unanswered(is_answered=seat.acknowledges)
        self._end = shared.start + int(self.plan.end_of(seat.room) * SECOND)

    # Time

    @property
    def is_running(self) -> bool:
        """Until the end of the meeting; nothing is begun after it, also not by who is late."""
        return max(self.timeline.due, monotonic_ns()) < self._end

    async def pause(self, seconds: float) -> None:
        """Until the next thing is due, counted from when the last one was.

        Raises:
            Gone: the server has ended the connection meanwhile.
        """
        await self.timeline.pause(seconds)
        if self._gone is not None:
            raise self._gone

    def next_mark(self) -> str:
        """A mark of the edit that is due now."""
        return self._mark(self._edit_tag)

    def next_cursor_mark(self) -> str:
        """A mark of where the cursor is to be now."""
        return self._mark(self._cursor_tag)

    def _mark(self, tag: bytes) -> str:
        self._marks += 1
        return marks.tagged(tag, self._marks, self.timeline.at).decode()

    # Coming and going

    @property
    def is_settled(self) -> bool:
        """It is there, and there is no later meeting for it to go to."""
        return self.is_joined and not self._later

    async def join(self) -> None:
        """Come when it is due: returns with the document there.

        Raises:
            Gone: the server does not let it in.
        """
        await self.timeline.begin()
        await self.rejoin()

    async def rejoin(self) -> None:
        """Come back, in as many attempts as it takes. What the server has not got is sent again.

        Raises:
            Gone: the server does not let it in.
        """
        due = self.timeline.due
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                await self._try_to_join()
        except TimeoutError:
            self.measures.error(f"somebody was not let in for {JOIN_SECONDS:.0f} s")
            self.cut()
            raise Gone(NO_CLOSE_FRAME, "not let in in time") from None
        now = monotonic_ns()
        self.measures.delay(Delay.JOIN, now, now - due)
        self.timeline.waited()

    async def leave(self) -> None:
        """Say goodbye."""
        self.show(self.presence.depart())
        self._is_leaving = True
        if self._connection is not None:
            await self._connection.close()

    async def move(self, seconds: float) -> bool:
        """Go to the next meeting, which is due so much later; False: there is none.

        Raises:
            Gone: the server does not let it in.
        """
        if not self._later:
            return False
        await self._wait_for_storage()
        await self.leave()
        self._shared.on_left(self.seat.room, self.written)
        self._sit(self._later.pop(0))
        await self.timeline.pause(seconds)
        await self.rejoin()
        return True

    async def _wait_for_storage(self) -> None:
        for _ in range(int(STORED_SECONDS / LOOK_SECONDS)):
            if not (self.is_joined and self.unanswered):
                return
            await asyncio.sleep(LOOK_SECONDS)
        self.measures.error(f"{self.unanswered} messages of somebody were never called stored")

    def cut(self) -> None:
        """Be gone without a word, as when the network breaks."""
        self._is_leaving = True
        if self._connection is not None:
            self._connection.cut()

    def stop_reading(self) -> None:
        """Read nothing until `read_again`, as a page does that hangs; what it writes is sent."""
        if self._connection is not None:
            self._connection.stop_reading()

    def read_again(self) -> None:
        """Go on reading."""
        if self._connection is not None:
            self._connection.read_again()

    # Writing

    def edit(self, update: bytes) -> None:
        """Send an edit that `board` has just made."""
        self._unanswered.wrote(self.board.clock, update, self.timeline.at)
        self._send(self._dialect.update(update), Count.EDITS_SENT)

    def point(self, x: float, y: float) -> None:
        """Show where the cursor is."""
        self.show(self.presence.point(x, y))

    def show(self, payload: bytes) -> None:
        """Send what `presence` has just made."""
        self._shown_at = monotonic_ns()
        self._send(self._dialect.awareness(payload), Count.PRESENCE_SENT)

    def say(self, message: bytes) -> None:
        """Send a whole message as it is: of the pose lane, or a wrong one."""
        self._send(message, None)

    @property
    def unsent(self) -> int:
        """Bytes that are still on this side."""
        return 0 if self._connection is None else self._connection.unsent

    @property
    def written(self) -> Written:
        """How much was written and stored, for the check at the end."""
        return Written(self.client, self._unanswered.sent, self._unanswered.acknowledged)

    @property
    def unanswered(self) -> int:
        """Edits that the server has not called stored yet; 0 where it never does."""
        return self._unanswered.waiting

    def _send(self, message: bytes, what: Count | None) -> None:
        if self._connection is not None and self.is_joined:
            self._connection.send(message)
            if what is not None:
                self.measures.count(what)

    # What its connection calls

    def hear(self, message: bytes) -> None:
        """A message came that is neither an update nor presence."""
        try:
            if message[:1] == _POSE and not self._dialect.prefix:
                self.headset.hear(message)
            else:
                self._hear(message)
        except Malformed as error:
            self.measures.error(f"the server said something that cannot be read: {error}")

    def ended(self, code: int, reason: str) -> None:
        """The connection is gone."""
        gone = Gone(code, reason)
        if self.is_joined:
            self.measures.count(Count.LEFT)
        self.is_joined = False
        if self._renewal is not None:
            self._renewal.cancel()
        self.headset.ended(gone)
        if not self._is_leaving:
            if code not in self._shared.expected_closes:
                self.measures.close(code, reason)
            self._gone = gone
        if self._arrival is not None:
            fail(self._arrival, gone)

    def _hear(self, message: bytes) -> None:
        match self._dialect.hear(message):
            case Asked(state_vector):
                known = walk_state_vector(state_vector).get(self.client, 0)
                self._answer(self._unanswered.missing(known))
            case Answered():
                self._arrive()
            case Stored(number, is_total):
                self._note_stored(self._unanswered.stored(number, is_total=is_total))
            case Refused(reason, is_answer):
                self._refuse(reason, is_answer=is_answer)
            case _:
                pass

    def _answer(self, update: bytes) -> None:
        if self._connection is not None:
            self._connection.send(self._dialect.answer(update))

    def _arrive(self) -> None:
        if self._connection is None or self._arrival is None or self._arrival.done():
            return
        self.is_joined = True
        self.measures.count(Count.JOINED)
        self._connection.count_marks()
        self.show(self.presence.renew())
        self._renew_later(RENEWAL_SECONDS)
        self._arrival.set_result(None)

    def _renew_later(self, seconds: float) -> None:
        self._renewal = asyncio.get_running_loop().call_later(seconds, self._renew)

    def _renew(self) -> None:
        """Show presence again, unless it has changed meanwhile."""
        quiet = (monotonic_ns() - self._shown_at) / SECOND
        if quiet >= RENEWAL_SECONDS:
            self.show(self.presence.renew())
            quiet = 0.0
        self._renew_later(RENEWAL_SECONDS - quiet)

    def _note_stored(self, dues: list[int]) -> None:
        now = monotonic_ns()
        for due in dues:
            self.measures.delay(Delay.STORED, now, now - due)
        self.measures.count(Count.EDITS_STORED, len(dues))

    def _refuse(self, reason: str, *, is_answer: bool) -> None:
        self.measures.count(Count.REFUSALS)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_exception(Gone(NO_CLOSE_FRAME, reason))
        else:
            self._unanswered.refused(is_answer=is_answer)

    def _note_late(self, now: int, nanoseconds: int) -> None:
        self.measures.delay(Delay.LATE, now, nanoseconds)

    # Attempts

    async def _try_to_join(self) -> None:
        """One attempt after the other, until one succeeds or the server says never."""
        backoff = FIRST_BACKOFF
        while True:
            try:
                return await self._attempt()
            except Gone as gone:
                if gone.is_final:
                    raise
            except (OSError, NotAWebSocket) as error:
                self.measures.error(f"no connection: {error}")
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, MOST_BACKOFF)

    async def _attempt(self) -> None:
        self._gone, self._is_leaving = None, False
        self._arrival = asyncio.get_running_loop().create_future()
        connection = self._connection = Connection(self.seat, self, self.measures)
        self._unanswered.connected()
        try:
            await connection.connect(self._shared.tls)
            for message in self._dialect.opening():
                connection.send(message)
            await self._arrival
        except BaseException:
            self._is_leaving = True
            connection.cut()
            raise


_POSE: Final = bytes((MessageType.POSE,))
