"""Somebody who only listens, and has a real document of it in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any, Final

from pycrdt import Doc, Map, merge_updates

from crdt_docs import messages
from crdt_docs.errors import Malformed
from crdt_docs.state_vector import walk_state_vector
from loadtest.connection import Connection
from loadtest.dialects import Answered, Asked, Dialect, Refused, Updated
from loadtest.measures import Measures
from loadtest.seat import Seat
from loadtest.wire import NotAWebSocket

ROOTS: Final = ("objects", "annotations", "meta", "environment")
ANSWER_SECONDS: Final = 30.0
KEPT_BYTES: Final = 1 << 20
"""Of updates that are merged and applied together. One by one, those that a server sends in another
order than they were written would be lost in part: yrs does not find all that waits for others."""


class Lost(Exception):  # noqa: N818 - says what is the case
    """A witness was not let in, was not answered, or lost its connection."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What somebody's document says.

    Attributes:
        clocks: of each client, up to which its edits are there.
        contents: root types, as JSON.
    """

    clocks: Mapping[int, int]
    contents: Mapping[str, Any]


class Witness:
    """One of them, in one room.

    Attributes:
        heard_at: when an update came last, in nanoseconds of the monotonic clock; 0: none did.
    """

    def __init__(self, seat: Seat, measures: Measures) -> None:
        self.seat = seat
        self.heard_at = 0
        self._measures = measures
        self._dialect = Dialect.of(seat)
        self._doc: Doc[Any] = Doc()
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._connection: Connection | None = None
        self._answer: asyncio.Future[None] | None = None
        self._ended = ""

    async def join(self) -> None:
        """Come in; returns with the document there.

        Raises:
            Lost: that did not happen.
        """
        self._connection = Connection(self.seat, self, self._measures, sees_all=True)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._connection.connect()
        except (OSError, NotAWebSocket) as error:  # a timeout, too, is an OSError
            raise Lost(f"no connection: {error!r}") from error
        await self._answered(self._dialect.opening())
        self._connection.count_marks()

    async def write(self, update: bytes) -> None:
        """Send an update; returns when the server has read it.

        Raises:
            Lost: it did not say so.
        """
        self._keep(update)
        await self._answered([self._dialect.update(update), self._ask()])

    async def leave(self) -> None:
        """Say goodbye."""
        if self._connection is not None:
            await self._connection.close()

    def copy(self) -> Copy:
        """The document, as it is now.

        Raises:
            Lost: it is not, because the connection broke or what came is no document.
        """
        self._apply()
        self._check()
        contents = {name: self._doc.get(name, type=Map).to_py() or {} for name in ROOTS}
        return Copy(walk_state_vector(self._doc.get_state()), contents)

    # What its connection calls

    def hear(self, message: bytes) -> None:
        """A message came."""
        try:
            heard = self._dialect.hear(message)
        except Malformed as error:
            self._end(f"the server said something that cannot be read: {error}")
            return
        match heard:
            case Asked():
                self._send([self._dialect.answer()])
            case Updated(update):
                self.heard_at = monotonic_ns()
                self._keep(update)
            case Answered(update):
                self._keep(update)
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(None)
            case Refused(reason):
                self._end(f"refused: {reason}")
            case _:
                pass

    def ended(self, code: int, reason: str) -> None:
        """The connection is gone."""
        self._end(f"the connection ended with {code}: {reason}")

    # Parts of it

    def _ask(self) -> bytes:
        self._apply()
        return self._dialect.prefix + messages.sync_step1(self._doc.get_state())

    async def _answered(self, question: list[bytes]) -> None:
        """Servers read what one connection sends in order: the answer says that all was read."""
        self._check()
        self._answer = asyncio.get_running_loop().create_future()
        self._send(question)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._answer
        except TimeoutError:
            raise Lost(f"no answer within {ANSWER_SECONDS:.0f} s") from None

    def _check(self) -> None:
        if self._ended:
            raise Lost(self._ended)

    def _send(self, sent: list[bytes]) -> None:
        if self._connection is not None:
            for message in sent:
                self._connection.send(message)

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Lost(why))

    def _keep(self, update: bytes) -> None:
        self._kept.append(update)
        self._kept_bytes += len(update)
        if self._kept_bytes > KEPT_BYTES:
            self._apply()

    def _apply(self) -> None:
        kept, self._kept, self._kept_bytes = self._kept, [], 0
        if not kept:
            return
        try:
            self._doc.apply_update(merge_updates(*kept))
        except ValueError as error:
            self._end(f"an update that cannot be applied: {error}")
