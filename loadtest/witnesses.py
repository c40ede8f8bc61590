"""`python -m loadtest.witnesses`: who looks after the rooms of a run, in a process of its own.

Told `job`, it prepares the rooms, lets witnesses in and says `ready`; told `go`, it counts what
they are sent, and opens the rooms of later meetings. Told of everybody in a meeting that they have
`left` it, with what they wrote, it looks whether the document is right; told `check`, with what
those wrote who are still there, it looks at all others, and says in `checks` how all are; told
`leave`, it says `done`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import asdict
from time import monotonic_ns
from typing import Any, Final, TypeAlias

from loadtest import processes
from loadtest.lines import Lines, run, told
from loadtest.measures import Count, Measures
from loadtest.plan import Plan
from loadtest.result import Checks
from loadtest.scenarios import SCENARIOS
from loadtest.seat import Seat
from loadtest.timeline import SECOND
from loadtest.warden import Verdict, Warden
from loadtest.witness import Lost

DELIVERED: Final = Count.MARKS_SEEN.name.lower()
AT_A_TIME: Final = 16
MOST_NOTES: Final = 20

AHEAD_SECONDS: Final = 2.0
"""So long before people go to a new document its room is prepared."""

Writing: TypeAlias = tuple[int, int, int, int]
"""Room, client, and the clocks up to which it sent, and was told that it is stored."""


class Wardens:
    """Those who look after the rooms, one of each document.

    Args:
        seats: of each document those of its witnesses, and the last one for whoever prepares it and
            comes again at the end.
        acknowledges: what counts is what the server called stored; else what was sent.
    """

    def __init__(
        self, plan: Plan, seats: Sequence[Seat], measures: Measures, *, acknowledges: bool
    ) -> None:
        self._plan = plan
        self._measures = measures
        self._acknowledges = acknowledges
        self._seats: dict[int, list[Seat]] = {}
        for each in seats:
            self._seats.setdefault(each.room, []).append(each)
        self._open: dict[int, Warden] = {}
        self._witnesses = 0
        self._clocks: dict[int, dict[int, int]] = {}
        self._left: Counter[int] = Counter()
        self._ending: list[asyncio.Task[None]] = []
        self._verdicts: dict[int, Verdict] = {}
        self._gate = asyncio.Semaphore(AT_A_TIME)

    async def open(self, prepared: Sequence[bytes]) -> None:
        """Prepare the rooms of the first meetings, and let the witnesses in.

        Raises:
            Lost: somebody was not let in.
        """
        await asyncio.gather(*(self._enter(room, prepared) for room in range(self._plan.rooms)))

    async def attend(self, prepared: Sequence[bytes], start: int) -> None:
        """The same of later meetings, each a moment before people come. Whoever is not let in there
        is part of what `check` finds.

        Args:
            start: of the run, in nanoseconds of the monotonic clock.
        """
        later = range(self._plan.rooms, self._plan.documents)
        await asyncio.gather(*(self._attend(room, prepared, start) for room in later))

    def left(self, writing: Writing) -> None:
        """Somebody has left a meeting for the next one. The last one who does lets it be looked at,
        and be left."""
        room = writing[0]
        self._note(writing)
        self._left[room] += 1
        if self._left[room] == self._plan.people_in(room) and room in self._open:
            self._ending.append(asyncio.create_task(self._end(room)))

    async def check(self, written: Iterable[Writing]) -> Checks:
        """Hold every document's copies against each other, and against what everybody wrote."""
        for each in written:
            self._note(each)
        await asyncio.gather(*self._ending)
        await asyncio.gather(*map(self._settle, self._open))
        for room in self._clocks.keys() - self._verdicts.keys():
            self._verdicts[room] = Verdict.lost(Lost("nobody was let in to look at it"))
        return self._summed()

    async def leave(self) -> None:
        """Say goodbye."""
        await asyncio.gather(*(self._gated(each.leave()) for each in self._open.values()))

    async def _gated(self, work: Coroutine[Any, Any, Any]) -> Any:
        async with self._gate:
            return await work

    async def _enter(self, room: int, prepared: Sequence[bytes]) -> None:
        *witnesses, keeper = self._seats[room]
        warden = Warden(keeper, witnesses, self._measures)
        await self._gated(warden.open(prepared))
        self._witnesses += len(witnesses)
        self._open[room] = warden

    async def _attend(self, room: int, prepared: Sequence[bytes], start: int) -> None:
        await _until(start + int((self._plan.begin_of(room) - AHEAD_SECONDS) * SECOND))
        try:
            await self._enter(room, prepared)
        except Lost as error:
            self._verdicts[room] = Verdict.lost(error)

    def _note(self, writing: Writing) -> None:
        room, client, sent, acknowledged = writing
        clock = acknowledged if self._acknowledges else sent
        self._clocks.setdefault(room, {})[client] = clock

    async def _end(self, room: int) -> None:
        """A meeting is over. Nobody holds its document any more, here neither."""
        warden = self._open[room]
        await self._settle(room)
        del self._open[room], self._clocks[room]
        await self._gated(warden.leave())

    async def _settle(self, room: int) -> None:
        clocks = self._clocks.get(room, {})
        self._verdicts[room] = await self._gated(self._open[room].check(clocks))

    def _summed(self) -> Checks:
        found = self._verdicts.values()
        missing = sum(each.missing for each in found)
        differs = any(each.differs for each in found)
        return Checks(
            witnesses=self._witnesses,
            converged=not differs if self._witnesses or differs else None,
            missing_acknowledged=missing if self._acknowledges else 0,
            missing_sent=0 if self._acknowledges else missing,
            notes=tuple(self._notes())[:MOST_NOTES],
        )

    def _notes(self) -> Iterator[str]:
        for document, verdict in sorted(self._verdicts.items()):
            meeting, room = divmod(document, self._plan.rooms)
            where = (
                f"room {room}" if self._plan.meetings == 1 else f"room {room}, meeting {meeting}"
            )
            yield from (f"{where}: {note}" for note in verdict.notes)


async def _count(plan: Plan, start: int, measures: Measures) -> None:
    """Count in the measured part of the run only."""
    begin = start + int(plan.ramp * SECOND)
    await _until(begin)
    measures.begin(begin)
    await _until(begin + int(plan.seconds * SECOND))
    measures.end()


async def _until(at: int) -> None:
    await asyncio.sleep(max(at - monotonic_ns(), 0) / SECOND)


async def _listen(lines: Lines, wardens: Wardens) -> list[Writing]:
    """Returns with what those wrote who were there when the run ended."""
    while "left" in (said := await lines.next()):
        wardens.left(tuple(said["left"]))
    return [tuple(each) for each in said["check"]]


async def _ended(meanwhile: asyncio.Future[Any]) -> None:
    """
    Raises:
        Exception: what was raised there before.
    """
    meanwhile.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await meanwhile


async def work() -> None:
    """The process, from its job to the end."""
    lines = await Lines.open()
    processes.allow_many_files()
    job = await told(lines, "job")
    plan, measures = Plan.from_json(job["plan"]), Measures()
    seats = [Seat.from_json(each) for each in job["seats"]]
    wardens = Wardens(plan, seats, measures, acknowledges=bool(job["acknowledges"]))
    prepared = tuple(SCENARIOS[plan.scenario]().prepared())
    try:
        await wardens.open(prepared)
    except Lost as error:
        lines.say(failed=f"a room could not be prepared: {error}")
        return
    lines.say(ready=True)
    start = await told(lines, "go")
    meanwhile = asyncio.gather(_count(plan, start, measures), wardens.attend(prepared, start))
    written = await _listen(lines, wardens)
    await _ended(meanwhile)
    checks = await wardens.check(written)
    lines.say(checks=asdict(checks), delivered=measures.dump()["counts"][DELIVERED])
    await told(lines, "leave")
    await wardens.leave()
    lines.say(done={})


if __name__ == "__main__":
    run(work())
