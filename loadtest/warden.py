"""Who looks after one room: witnesses who stay, and newcomers at the end, who are given it all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic_ns
from typing import Final, NamedTuple

from loadtest.measures import Measures
from loadtest.seat import Seat
from loadtest.timeline import SECOND
from loadtest.witness import Copy, Lost, Witness

BUSY_SECONDS: Final = 20.0
"""For so long after the end a server may go on delivering what was written."""

SETTLE_SECONDS: Final = 5.0
"""So long after the last delivery copies may still differ."""

QUIET_SECONDS: Final = 0.5


class Verdict(NamedTuple):
    """What is wrong in one room.

    Attributes:
        differs: copies are not the same.
        missing: clocks that nobody has.
        is_final: it will not pass: a connection is gone.
    """

    differs: bool
    missing: int
    is_final: bool
    notes: tuple[str, ...]

    @classmethod
    def lost(cls, why: Lost) -> Verdict:
        """Of a room in which somebody was lost."""
        return cls(differs=True, missing=0, is_final=True, notes=(str(why),))


class Warden:
    """Looks after one room.

    Args:
        keeper: the place of whoever prepares it, and comes again at the end.
        witnesses: the places of those who stay.
    """

    def __init__(self, keeper: Seat, witnesses: Sequence[Seat], measures: Measures) -> None:
        self._keeper = keeper
        self._witnesses = [Witness(seat, measures) for seat in witnesses]
        self._newcomers: list[Witness] = []

    async def open(self, prepared: Sequence[bytes]) -> None:
        """Prepare the room, and let the witnesses in. Somebody does it alone: pycrdt-websocket lets
        only one of two in who come to a new room at once. And a witness stays: without a store, an
        empty room is forgotten.

        Raises:
            Lost: somebody was not let in.
        """
        first = next(iter(self._witnesses), None) or Witness(self._keeper, Measures())
        await first.join()
        for update in prepared:
            await first.write(update)
        if not self._witnesses:
            await first.leave()
        await asyncio.gather(*(each.join() for each in self._witnesses[1:]))

    async def check(self, clocks: Mapping[int, int]) -> Verdict:
        """What is wrong in the room and stays wrong.

        Args:
            clocks: of each client, up to which its edits have to be there.
        """
        await self._quiet()
        begin, pause = monotonic_ns(), QUIET_SECONDS
        while True:
            verdict = await self._look(clocks)
            left = self._unsettled_seconds(begin)
            if verdict.is_final or left <= 0:
                return verdict
            await asyncio.sleep(min(pause, left))
            pause *= 2  # a server may let one user come only so often

    async def leave(self) -> None:
        """Say goodbye."""
        for each in (*self._witnesses, *self._newcomers):
            await each.leave()

    async def _look(self, clocks: Mapping[int, int]) -> Verdict:
        """Whoever comes to look stays: leaving would change what is looked at. pycrdt-websocket
        forgets what it is about to send when one of those whom it sends to is gone."""
        newcomer = Witness(self._keeper, Measures())
        self._newcomers.append(newcomer)
        try:
            await newcomer.join()
            given = newcomer.copy()
            copies = [each.copy() for each in self._witnesses]
        except Lost as error:
            return Verdict.lost(error)
        differences = [note for each in copies if (note := _difference(each, given))]
        missing = _ahead(clocks, given.clocks)
        notes = [f"{missing} clocks of what was written are missing"] if missing else []
        is_well = not differences and not missing
        return Verdict(bool(differences), missing, is_well, (*differences, *notes))

    async def _quiet(self) -> None:
        """Returns when nothing has come for a moment, or will not stop coming."""
        for _ in range(int(BUSY_SECONDS / QUIET_SECONDS)):
            if monotonic_ns() - self._heard_at(0) > QUIET_SECONDS * SECOND:
                return
            await asyncio.sleep(QUIET_SECONDS)

    def _unsettled_seconds(self, begin: int) -> float:
        """For how long something may still change, unless something comes; only so long in all."""
        last = self._heard_at(begin)
        until = min(last + SETTLE_SECONDS * SECOND, begin + BUSY_SECONDS * SECOND)
        return (until - monotonic_ns()) / SECOND

    def _heard_at(self, least: int) -> int:
        """When a witness was sent something last."""
        return max((least, *(each.heard_at for each in self._witnesses)))


def _difference(copy: Copy, given: Copy) -> str:
    """What a witness has that a newcomer is not given, or the other way round; empty: nothing."""
    if copy.clocks != given.clocks:
        has, lacks = _ahead(copy.clocks, given.clocks), _ahead(given.clocks, copy.clocks)
        return f"a witness has {has} clocks that a newcomer is not given, and lacks {lacks}"
    return "" if copy.contents == given.contents else "a witness reads something else"


def _ahead(one: Mapping[int, int], other: Mapping[int, int]) -> int:
    """By how many clocks one is ahead of another."""
    return sum(max(clock - other.get(client, 0), 0) for client, clock in one.items())
