"""`python -m loadtest.worker`: some of a run's people, in a process of their own.

Told `job`, says `ready`; told `go`, says a `tick` each second, what somebody wrote who has `left` a
meeting for the next one, and at the end what was `written` by those who are there; told `leave`,
says `done` with all that it measured. Told `end`, it is over early.
"""

from __future__ import annotations

import asyncio
import gc
from time import monotonic_ns
from typing import Final

from loadtest import processes, rest
from loadtest.lines import Lines, run, told
from loadtest.measures import Measures
from loadtest.participant import Gone, Participant, Shared
from loadtest.plan import Plan
from loadtest.scenarios import SCENARIOS
from loadtest.scenarios.scenario import Scenario
from loadtest.seat import Seat
from loadtest.timeline import SECOND
from loadtest.unanswered import Written

DRAIN_SECONDS: Final = 8.0
"""For what was written before the end to be stored, and for whoever is on the way back."""

LOOK_SECONDS: Final = 0.05
LEAVE_SECONDS: Final = 5.0


class Crew:
    """People of one process, from coming to leaving."""

    def __init__(self, lines: Lines, scenario: Scenario, seats: list[Seat], shared: Shared) -> None:
        self._lines = lines
        self._scenario = scenario
        self._plan = shared.plan
        self._measures = shared.measures
        self._start = shared.start
        self._second = 0
        self._people = [Participant(first, shared, later) for first, *later in _by_person(seats)]

    async def play(self) -> None:
        """Let them live their stories, until the end of the plan or until told to end; returns
        when told to leave.

        Raises:
            EOFError: nobody is there any more to tell that.
        """
        stories = [asyncio.create_task(self._story(each)) for each in self._people]
        ticks = asyncio.create_task(self._tick())
        measuring = asyncio.create_task(self._measure())
        told = asyncio.create_task(self._lines.next())
        await asyncio.wait((measuring, told), return_when=asyncio.FIRST_COMPLETED)
        await _cancelled([ticks, measuring])
        if self._second < int(self._plan.ramp + self._plan.seconds) and not told.done():
            self._say_second()  # the last one is over at the same time as everything
        self._measures.end()
        if told.done():
            told.result()  # to end early
            told = asyncio.create_task(self._lines.next())
            await _cancelled(stories)
        await self._drain(stories)
        await _cancelled(stories)
        self._note_what_is_missing()
        self._lines.say(written=self._written())
        await told

    async def leave(self) -> None:
        """Say goodbye, all at once."""
        leaving = [asyncio.create_task(each.leave()) for each in self._people]
        await asyncio.wait(leaving, timeout=LEAVE_SECONDS)

    async def _story(self, person: Participant) -> None:
        try:
            await self._scenario.person(person)
        except Gone:
            pass  # its connection has counted that
        except Exception as error:  # noqa: BLE001 - counted; the others go on
            self._measures.error(f"a story broke off: {error!r}")

    async def _measure(self) -> None:
        """The phases of the run, each when it is due."""
        begin = self._start + int(self._plan.ramp * SECOND)
        await _until(begin)
        gc.collect()
        gc.freeze()  # a thousand people are not looked at again and again
        self._measures.begin(begin)
        await _until(begin + int(self._plan.seconds * SECOND))

    async def _tick(self) -> None:
        while True:
            await _until(self._start + (self._second + 1) * SECOND)
            self._say_second()

    def _say_second(self) -> None:
        self._second += 1
        self._lines.say(tick=self._measures.tick(monotonic_ns()), second=self._second)

    async def _drain(self, stories: list[asyncio.Task[None]]) -> None:
        for each in self._people:
            each.read_again()
        for _ in range(int(DRAIN_SECONDS / LOOK_SECONDS)):
            if self._is_drained(stories):
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _is_drained(self, stories: list[asyncio.Task[None]]) -> bool:
        """What people wrote who are there is stored, and nobody is on the way to somewhere."""
        return all(
            (person.is_settled or story.done()) and not (person.is_joined and person.unanswered)
            for person, story in zip(self._people, stories, strict=True)
        )

    def _note_what_is_missing(self) -> None:
        waiting = [each.unanswered for each in self._people if each.is_joined and each.unanswered]
        if waiting:
            messages, people = sum(waiting), len(waiting)
            self._measures.error(f"{messages} messages of {people} people were never called stored")

    def _written(self) -> list[tuple[int, int, int, int]]:
        """Room, client, clock sent and clock acknowledged of everybody who wrote."""
        written = [_row(each.seat.room, each.written) for each in self._people]
        return [row for row in written if row[2]]


def _row(room: int, written: Written) -> tuple[int, int, int, int]:
    return room, written.client, written.sent, written.acknowledged


def _by_person(seats: list[Seat]) -> list[list[Seat]]:
    """Everybody's seats, meeting after meeting."""
    found: dict[int, list[Seat]] = {}
    for each in sorted(seats, key=lambda seat: seat.room):
        found.setdefault(each.number, []).append(each)
    return list(found.values())


async def _until(at: int) -> None:
    """Returns at a time of the monotonic clock, or at once when it is past."""
    await asyncio.sleep(max(at - monotonic_ns(), 0) / SECOND)


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """
    Raises:
        Exception: what one of them had raised before.
    """
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


async def work() -> None:
    """One process, from its job to the end."""
    lines = await Lines.open()
    processes.allow_many_files()
    job = await told(lines, "job")
    seats = [Seat.from_json(each) for each in job["seats"]]
    plan, measures = Plan.from_json(job["plan"]), Measures()
    scenario = SCENARIOS[plan.scenario]()
    lines.say(ready=True)
    start = await told(lines, "go")
    async with rest.connect(seats[0]) as api:
        closes = scenario.expected_closes
        shared = Shared(
            plan,
            measures,
            start,
            api,
            expected_closes=closes,
            on_left=lambda room, written: lines.say(left=_row(room, written)),
        )
        crew = Crew(lines, scenario, seats, shared)
        await crew.play()
        await crew.leave()
    lines.say(done=measures.dump())


if __name__ == "__main__":
    run(work())
