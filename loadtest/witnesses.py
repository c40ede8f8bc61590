"""`python -m loadtest.witnesses`: who looks after the rooms of a run, in a process of its own.

Told `job`, it prepares the rooms, lets witnesses in and says `ready`; told `go`, it counts what
they are sent. Told `check`, with what everybody wrote, it says in `checks` whether the documents
are right; told `leave`, it says `done`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from time import monotonic_ns
from typing import Any, Final, NamedTuple, TypeAlias

from loadtest import processes
from loadtest.lines import Lines, run, told
from loadtest.measures import Count, Measures
from loadtest.plan import Plan
from loadtest.result import Checks
from loadtest.scenarios import SCENARIOS
from loadtest.seat import Seat
from loadtest.timeline import SECOND
from loadtest.witness import Copy, Lost, Witness

BUSY_SECONDS: Final = 20.0
"""For so long after the end a server may go on delivering what was written."""

SETTLE_SECONDS: Final = 5.0
"""So long after the last delivery copies may still differ."""

DELIVERED: Final = Count.MARKS_SEEN.name.lower()
QUIET_SECONDS: Final = 0.5
AT_A_TIME: Final = 16
MOST_NOTES: Final = 20

Writing: TypeAlias = tuple[int, int, int, int]
"""Room, client, and the clocks up to which it sent, and was told that it is stored."""


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


class Wardens:
    """Those who look after the rooms.

    Args:
        witnesses: of all rooms.
        keepers: one place in each room, by room.
        acknowledges: what counts is what the server called stored; else what was sent.
    """

    def __init__(
        self,
        witnesses: Sequence[Seat],
        keepers: Sequence[Seat],
        measures: Measures,
        *,
        acknowledges: bool,
    ) -> None:
        self._witnesses = [Witness(seat, measures) for seat in witnesses]
        self._newcomers: list[Witness] = []
        self._keepers = keepers
        self._acknowledges = acknowledges
        self._gate = asyncio.Semaphore(AT_A_TIME)

    async def open(self, prepared: Sequence[bytes]) -> None:
        """Prepare the rooms, and let the witnesses in.

        Raises:
            Lost: somebody was not let in.
        """
        firsts = {each.seat.room: each for each in reversed(self._witnesses)}
        await self._all(
            self._prepare(firsts.get(keeper.room), keeper, prepared) for keeper in self._keepers
        )
        await self._all(each.join() for each in self._witnesses if each not in firsts.values())

    async def check(self, written: Iterable[Writing]) -> Checks:
        """Hold every room's copies against each other, and against what everybody wrote."""
        by_room: dict[int, dict[int, int]] = {}
        for room, client, sent, acknowledged in written:
            clock = acknowledged if self._acknowledges else sent
            by_room.setdefault(room, {})[client] = clock
        found = await self._all(
            self._settled(seat, by_room.get(seat.room, {})) for seat in self._keepers
        )
        return self._summed(found)

    async def leave(self) -> None:
        """Say goodbye."""
        await self._all(each.leave() for each in (*self._witnesses, *self._newcomers))

    async def _all(self, works: Iterable[Any]) -> list[Any]:
        async def one(work: Any) -> Any:
            async with self._gate:
                return await work

        return await asyncio.gather(*map(one, works))

    async def _prepare(
        self, witness: Witness | None, keeper: Seat, prepared: Sequence[bytes]
    ) -> None:
        """Open a room. Somebody does it alone: pycrdt-websocket lets only one of two in who come
        to a new room at once. And a witness stays: without a store, an empty room is forgotten."""
        first = witness or Witness(keeper, Measures())
        await first.join()
        for update in prepared:
            await first.write(update)
        if witness is None:
            await first.leave()

    async def _settled(self, keeper: Seat, clocks: dict[int, int]) -> Verdict:
        """What is wrong in a room and stays wrong."""
        here = [each for each in self._witnesses if each.seat.room == keeper.room]
        await _quiet(here)
        begin, pause = monotonic_ns(), QUIET_SECONDS
        while True:
            verdict = await self._look(here, keeper, clocks)
            left = _unsettled_seconds(here, begin)
            if verdict.is_final or left <= 0:
                return verdict
            await asyncio.sleep(min(pause, left))
            pause *= 2  # a server may let one user come only so often

    async def _look(self, here: Sequence[Witness], keeper: Seat, clocks: dict[int, int]) -> Verdict:
        """Whoever comes to look stays: leaving would change what is looked at. pycrdt-websocket
        forgets what it is about to send when one of those whom it sends to is gone."""
        newcomer = Witness(keeper, Measures())
        self._newcomers.append(newcomer)
        try:
            await newcomer.join()
            given = newcomer.copy()
            differences = [note for each in here if (note := _difference(each.copy(), given))]
        except Lost as error:
            return Verdict(differs=True, missing=0, is_final=True, notes=(str(error),))
        missing = _ahead(clocks, given.clocks)
        notes = [f"{missing} clocks of what was written are missing"] if missing else []
        is_well = not differences and not missing
        return Verdict(bool(differences), missing, is_well, (*differences, *notes))

    def _summed(self, found: Sequence[Verdict]) -> Checks:
        missing = sum(each.missing for each in found)
        differs = any(each.differs for each in found)
        return Checks(
            witnesses=len(self._witnesses),
            converged=not differs if self._witnesses or differs else None,
            missing_acknowledged=missing if self._acknowledges else 0,
            missing_sent=0 if self._acknowledges else missing,
            notes=tuple(_notes(found))[:MOST_NOTES],
        )


async def _quiet(witnesses: Sequence[Witness]) -> None:
    """Returns when nothing has come for a moment, or will not stop coming."""
    for _ in range(int(BUSY_SECONDS / QUIET_SECONDS)):
        heard_at = max((each.heard_at for each in witnesses), default=0)
        if monotonic_ns() - heard_at > QUIET_SECONDS * SECOND:
            return
        await asyncio.sleep(QUIET_SECONDS)


def _unsettled_seconds(witnesses: Sequence[Witness], begin: int) -> float:
    """For how long something may still change, unless something comes; only so long in all."""
    last = max((begin, *(each.heard_at for each in witnesses)))
    until = min(last + SETTLE_SECONDS * SECOND, begin + BUSY_SECONDS * SECOND)
    return (until - monotonic_ns()) / SECOND


def _notes(found: Sequence[Verdict]) -> Iterator[str]:
    for room, verdict in enumerate(found):
        yield from (f"room {room}: {note}" for note in verdict.notes)


def _difference(copy: Copy, given: Copy) -> str:
    """What a witness has that a newcomer is not given, or the other way round; empty: nothing."""
    if copy.clocks != given.clocks:
        has, lacks = _ahead(copy.clocks, given.clocks), _ahead(given.clocks, copy.clocks)
        return f"a witness has {has} clocks that a newcomer is not given, and lacks {lacks}"
    return "" if copy.contents == given.contents else "a witness reads something else"


def _ahead(one: Mapping[int, int], other: Mapping[int, int]) -> int:
    """By how many clocks one is ahead of another."""
    return sum(max(clock - other.get(client, 0), 0) for client, clock in one.items())


async def _count(plan: Plan, start: int, measures: Measures) -> None:
    """Count in the measured part of the run only."""
    begin = start + int(plan.ramp * SECOND)
    await _until(begin)
    measures.begin(begin)
    await _until(begin + int(plan.seconds * SECOND))
    measures.end()


async def _until(at: int) -> None:
    await asyncio.sleep(max(at - monotonic_ns(), 0) / SECOND)


async def work() -> None:
    """The process, from its job to the end."""
    lines = await Lines.open()
    processes.allow_many_files()
    job = await told(lines, "job")
    plan, measures = Plan.from_json(job["plan"]), Measures()
    seats = [Seat.from_json(each) for each in job["seats"]]
    split = plan.witnesses * plan.rooms
    wardens = Wardens(
        seats[:split], seats[split:], measures, acknowledges=bool(job["acknowledges"])
    )
    try:
        await wardens.open(tuple(SCENARIOS[plan.scenario]().prepared()))
    except Lost as error:
        lines.say(failed=f"a room could not be prepared: {error}")
        return
    lines.say(ready=True)
    counting = asyncio.create_task(_count(plan, await told(lines, "go"), measures))
    checks = await wardens.check(map(tuple, await told(lines, "check")))
    counting.cancel()
    lines.say(checks=asdict(checks), delivered=measures.dump()["counts"][DELIVERED])
    await told(lines, "leave")
    await wardens.leave()
    lines.say(done={})


if __name__ == "__main__":
    run(work())
