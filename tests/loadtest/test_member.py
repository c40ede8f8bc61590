"""The processes of a run, one at a time: what they say, and when they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from time import monotonic_ns

import pytest

from loadtest.member import Member
from loadtest.plan import Plan
from loadtest.seat import Seat
from loadtest.targets.target import CannotRun
from tests.loadtest.small_server import SmallServer

PLAN = Plan("whiteboard", 2, 1, 30.0, 0.0, seed=1, processes=1, witnesses=1)


@pytest.fixture
async def server() -> AsyncIterator[SmallServer]:
    async with SmallServer() as running:
        yield running


Starting = Callable[..., Awaitable[Member]]


@pytest.fixture
async def started(server: SmallServer) -> AsyncIterator[Starting]:
    """Starts a process that has its job; it ends before the server does, also when a test fails."""
    async with AsyncExitStack() as stack:

        async def start(module: str, seats: list[Seat], plan: Plan = PLAN) -> Member:
            member = await Member.start(module)
            stack.push_async_callback(member.stop)
            job = {"plan": plan.to_json(), "seats": [each.to_json() for each in seats]}
            member.tell(job={**job, "acknowledges": True})
            return member

        yield start


async def test_people_live_their_story_until_told_to_end_it(
    server: SmallServer, started: Starting
) -> None:
    joined = asyncio.Event()
    crew = await started("loadtest.worker", [server.seat(0), server.seat(1)])
    crew.on_tick(lambda _, tick: joined.set() if tick["connected"] == 2 else None)
    await crew.said("ready", 30)
    crew.tell(go=monotonic_ns() - 3 * 10**9)  # three seconds ago: nobody has to wait for them
    await asyncio.wait_for(joined.wait(), 30)
    crew.tell(end=True)
    written = await crew.said("written", 30)
    crew.tell(leave=True)
    done = await crew.said("done", 30)
    await crew.stop()
    assert done["done"]["counts"]["joined"] == done["done"]["counts"]["left"] == 2
    assert all(room == 0 and sent >= 0 for room, _, sent, _ in written["written"])
    assert crew.status == 0


@pytest.mark.parametrize("module", ["loadtest.worker", "loadtest.witnesses"])
async def test_a_process_ends_when_nobody_is_there_to_tell_it_anything(
    server: SmallServer, started: Starting, module: str
) -> None:
    member = await started(module, [server.seat(0), server.seat(1)])
    await member.said("ready", 30)
    member.tell(go=monotonic_ns())
    await member.stop()
    assert member.status == 1


async def test_of_meetings_that_are_over_all_is_told(
    server: SmallServer, started: Starting
) -> None:
    """People who leave one, and who looks after its room."""
    plan = replace(PLAN, scenario="soak", seconds=0.2, meetings=2)
    places = [replace(server.seat(number), room=room) for room in (0, 1) for number in range(4)]
    crew, wardens = [
        await started("loadtest.worker", [each for each in places if each.number < 2], plan),
        await started("loadtest.witnesses", [each for each in places if each.number > 1], plan),
    ]
    left: asyncio.Queue[Sequence[int]] = asyncio.Queue()
    crew.on_left(left.put_nowait)
    for each in (wardens, crew):
        await each.said("ready", 30)
        each.tell(go=monotonic_ns() - 60 * 10**9)  # a minute ago: nobody has to wait for them
    for _ in range(2):
        row = await asyncio.wait_for(left.get(), 30)
        assert (row[0], row[2]) == (0, 0)
        wardens.tell(left=row)
    wardens.tell(check=[])
    checks = (await wardens.said("checks", 30))["checks"]
    assert (checks["witnesses"], checks["converged"]) == (2, True)


async def test_a_process_that_fails_says_why() -> None:
    member = await Member.start("loadtest.worker")
    member.tell(job={"plan": {}, "seats": []})
    with pytest.raises(CannotRun, match="TypeError"):
        await member.said("ready", 30)
    await member.stop()


async def test_a_room_that_cannot_be_prepared_is_no_run(
    server: SmallServer, started: Starting
) -> None:
    server.refusals = [4503]
    member = await started("loadtest.witnesses", [server.seat(0), server.seat(1)])
    with pytest.raises(CannotRun, match="4503"):
        await member.said("ready", 30)
