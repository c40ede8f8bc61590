"""People of one process, whose whole run is in the past: nobody has to wait for them."""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import Any

import httpx
import pytest

from loadtest.lines import Lines
from loadtest.measures import Measures
from loadtest.participant import Shared
from loadtest.person import Person
from loadtest.plan import Plan
from loadtest.scenarios.scenario import Scenario
from loadtest.timeline import SECOND
from loadtest.worker import Crew
from tests.loadtest.small_server import SmallServer

PLAN = Plan("one_word", 2, 1, 1.0, 1.0, seed=1, processes=1, witnesses=0)


class OneWord(Scenario):
    """Everybody writes something, and one of them stumbles."""

    name = "one_word"

    async def person(self, me: Person) -> None:
        await me.join()
        _, update = me.board.sticky(1.0, 2.0)
        me.edit(update)
        if me.seat.number:
            raise ValueError("stumbled")


class Told(Lines):
    """A runner that says what it is made to say, and keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(asyncio.StreamReader())
        self.commands: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.heard: list[dict[str, Any]] = []

    async def next(self) -> dict[str, Any]:
        command = await self.commands.get()
        if command is None:
            raise EOFError
        return command

    def say(self, **message: Any) -> None:
        self.heard.append(message)
        if "written" in message:
            self.commands.put_nowait({"leave": True})


@pytest.fixture
async def lines() -> Told:
    return Told()


async def play(lines: Told, server: SmallServer, *, ago: float) -> Measures:
    """A run that began so many seconds ago, from the first one who comes to the last who leaves."""
    measures = Measures()
    seats = [server.seat(number) for number in range(PLAN.people)]
    async with httpx.AsyncClient() as api:
        start = monotonic_ns() - int(ago * SECOND)
        crew = Crew(lines, OneWord(), seats, Shared(PLAN, measures, start, api))
        await crew.play()
        await crew.leave()
    return measures


def written(lines: Told) -> list[Any]:
    return next(each["written"] for each in lines.heard if "written" in each)


async def test_what_people_wrote_is_told_and_was_waited_for(lines: Told) -> None:
    async with SmallServer() as server:
        await play(lines, server, ago=1.0)
    assert len(written(lines)) == 2
    assert all(sent == stored > 0 for _, _, sent, stored in written(lines))
    assert [each["second"] for each in lines.heard if "tick" in each] == [1, 2]


async def test_a_story_that_breaks_off_is_counted_and_the_others_go_on(lines: Told) -> None:
    async with SmallServer() as server:
        measures = await play(lines, server, ago=1.0)
    assert measures.dump()["errors"] == {"a story broke off: ValueError('stumbled')": 1}
    assert measures.dump()["counts"]["joined"] == measures.dump()["counts"]["left"] == 2


async def test_who_is_told_to_end_says_what_there_is(lines: Told) -> None:
    lines.commands.put_nowait({"end": True})
    async with SmallServer() as server:
        measures = await play(lines, server, ago=0.0)
    assert written(lines) == []
    assert measures.dump()["errors"] == {}


async def test_whoever_has_nobody_to_tell_stops(lines: Told) -> None:
    lines.commands.put_nowait(None)
    async with SmallServer() as server:
        with pytest.raises(EOFError):
            await play(lines, server, ago=0.0)


async def test_edits_that_are_never_called_stored_are_an_error(
    lines: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.worker.DRAIN_SECONDS", 0.1)
    async with SmallServer() as server:
        server.stores = False
        measures = await play(lines, server, ago=1.0)
    (error,) = (each for each in measures.dump()["errors"] if "stored" in each)
    assert "of 2 people were never called stored" in error
