"""One run: people in processes, witnesses in one more, seconds as they pass, and the result."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic_ns
from typing import Any, Final

from loadtest import machine, processes
from loadtest.measures import Totals
from loadtest.member import Member
from loadtest.plan import Plan
from loadtest.result import Checks, Result, Tested
from loadtest.scenarios.scenario import Scenario
from loadtest.seat import Seat
from loadtest.second import Second, merge_seconds
from loadtest.server_watch import ServerWatch
from loadtest.targets.target import Target
from loadtest.thresholds import Threshold
from loadtest.timeline import SECOND

START_SECONDS: Final = 60.0
PREPARE_SECONDS: Final = 300.0
CHECK_SECONDS: Final = 300.0
SOON: Final = SECOND // 2
"""Nanoseconds from telling all processes when the run begins to that."""

ENDING: Final = (signal.SIGINT, signal.SIGTERM)

OnSecond = Callable[[Second], None]


def run(
    scenario: Scenario, target: Target, plan: Plan, on_second: OnSecond = lambda _: None
) -> Result:
    """Run a scenario on a server.

    SIGINT and SIGTERM end it early, with a result of what there is.

    Args:
        target: entered by the caller, who may run more than one scenario on it.
        on_second: told of each second as it is over, in a thread.

    Raises:
        CannotRun: the server does not give what is needed, or a process of the generator failed.
        Misuse: this scenario cannot be run on this server.
    """
    processes.allow_many_files()
    with _apart(target):
        seats = target.seats(plan, scenario)
        return asyncio.run(Runner(scenario, target, plan, on_second).run(seats))


class Runner:
    """What belongs to one run.

    It is made before there is an event loop: it asks server and machine what they are. A server
    that is gone in the end could not say it.
    """

    def __init__(self, scenario: Scenario, target: Target, plan: Plan, on_second: OnSecond) -> None:
        self._scenario = scenario
        self._target = target
        self._tested = Tested(target.name, target.version, target.url)
        self._machine = machine.describe()
        self._plan = plan
        self._on_second = on_second
        self._crews: list[Member] = []
        self._series: list[Second] = []
        self._ticks: dict[int, list[Mapping[str, Any]]] = {}
        self._whole: asyncio.Queue[tuple[int, list[Mapping[str, Any]]] | None] = asyncio.Queue()
        self._watch = ServerWatch(lambda: target.pids, _period(plan))
        self._stopped = asyncio.Event()
        self._start = 0

    async def run(self, seats: Sequence[Seat]) -> Result:
        """From the first process to the result."""
        started = datetime.now(UTC)
        async with contextlib.AsyncExitStack() as stack:
            wardens = await self._begin(stack, seats)
            watching = asyncio.create_task(self._watch_server())
            stack.callback(watching.cancel)
            with self._interruptible():
                written = await self._play()
            wardens.tell(check=written)
            checked = await wardens.said("checks", CHECK_SECONDS)
            for each in (*self._crews, wardens):
                each.tell(leave=True)
            done = [(await each.said("done", START_SECONDS))["done"] for each in self._crews]
            self._whole.put_nowait(None)
            await watching
            return self._result(started, Totals.merge(done), checked)

    async def _begin(self, stack: contextlib.AsyncExitStack, seats: Sequence[Seat]) -> Member:
        """Start everybody, and say when it begins; returns who looks after the rooms."""
        people = [each for each in seats if each.number < self._plan.people]
        others = [each for each in seats if each.number >= self._plan.people]
        wardens = await _started(stack, "loadtest.witnesses")
        wardens.tell(job=self._job(others))
        for number in range(self._plan.processes):
            crew = await _started(stack, "loadtest.worker")
            crew.on_tick(self._note_tick)
            crew.on_left(lambda left: wardens.tell(left=left))
            crew.tell(job=self._job([each for each in people if number == self._crew_of(each)]))
            self._crews.append(crew)
        for each in self._crews:
            await each.said("ready", START_SECONDS)
        await wardens.said("ready", PREPARE_SECONDS)
        self._watch.generators = (wardens.pid, *(each.pid for each in self._crews))
        self._start = monotonic_ns() + SOON
        for each in (wardens, *self._crews):
            each.tell(go=self._start)
        await asyncio.to_thread(self._watch.begin, self._start / SECOND)
        return wardens

    async def _play(self) -> list[Any]:
        """Until everybody has written what they will; returns that."""
        stopping = asyncio.create_task(self._stop_early())
        most = self._plan.ramp + self._plan.seconds + PREPARE_SECONDS
        try:
            said = [await each.said("written", most) for each in self._crews]
        finally:
            stopping.cancel()
        return [each for one in said for each in one["written"]]

    async def _stop_early(self) -> None:
        await self._stopped.wait()
        passed = (monotonic_ns() - self._start) / SECOND - self._plan.ramp
        self._plan = replace(self._plan, seconds=max(min(passed, self._plan.seconds), 0.001))
        for each in self._crews:
            each.tell(end=True)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """While this is entered, these signals only end the run. They are for main threads."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        before = [signal.getsignal(each) for each in ENDING]
        for each in ENDING:
            loop.add_signal_handler(each, self._stopped.set)
        try:
            yield
        finally:
            for each, handler in zip(ENDING, before, strict=True):
                loop.remove_signal_handler(each)
                signal.signal(each, handler)

    def _crew_of(self, seat: Seat) -> int:
        """Which process a person belongs to."""
        return seat.number % self._plan.processes

    def _job(self, seats: Sequence[Seat]) -> dict[str, Any]:
        return {
            "plan": self._plan.to_json(),
            "seats": [each.to_json() for each in seats],
            "acknowledges": self._target.acknowledges,
        }

    def _note_tick(self, second: int, tick: Mapping[str, Any]) -> None:
        """A second of one process; those of all together are one second of the run."""
        ticks = self._ticks.setdefault(second, [])
        ticks.append(tick)
        if len(ticks) == len(self._crews):
            self._whole.put_nowait((second, self._ticks.pop(second)))

    async def _watch_server(self) -> None:
        """Look at the server whenever a second is over, until there are no more."""
        while (whole := await self._whole.get()) is not None:
            await asyncio.to_thread(self._look, *whole)

    def _look(self, second: int, ticks: Sequence[Mapping[str, Any]]) -> None:
        """In a thread: who asks the kernel what a process uses reads files."""
        is_measured = all(each["is_measured"] for each in ticks)
        use = self._watch.tick(monotonic_ns() / SECOND, is_measured=is_measured)
        self._series.append(merge_seconds(second, ticks, use))
        self._on_second(self._series[-1])

    def _result(self, started: datetime, totals: Totals, checked: Mapping[str, Any]) -> Result:
        counts = totals.counts
        delivered = counts["marks_seen"] + counts["poses_seen"] + checked["delivered"]
        checks = checked["checks"]
        result = Result(
            plan=self._plan,
            started=started,
            target=self._tested,
            machine={**self._machine, "others_share": round(self._watch.others_share(), 3)},
            totals=totals,
            series=self._series,
            server=self._watch.summary(delivered, self._plan.people),
            checks=Checks(**{**checks, "notes": tuple(checks["notes"])}),
        )
        result.judge(fair(self._scenario, self._target))
        return result


def _period(plan: Plan) -> float | None:
    return plan.meeting_seconds if plan.meetings > 1 else None


async def _started(stack: contextlib.AsyncExitStack, module: str) -> Member:
    member = await Member.start(module)
    stack.push_async_callback(member.stop)
    return member


def fair(scenario: Scenario, target: Target) -> tuple[Threshold, ...]:
    """The scenario's thresholds, without those that a server cannot keep which never says what is
    stored."""
    says = target.acknowledges
    return tuple(
        each for each in scenario.thresholds if says or not each.name.startswith("stored.")
    )


@contextlib.contextmanager
def _apart(target: Target) -> Iterator[None]:
    """Server and generator on cores of their own, where there are two and the server is here."""
    cores = processes.usable_cores()
    ours = processes.generator_cores(cores)
    pids = target.pids.server
    if not ours or not pids:
        yield
        return
    for pid in pids:
        processes.pin(pid, cores[:1])
    processes.pin(os.getpid(), ours)  # and whatever is started from here
    try:
        yield
    finally:
        processes.pin(os.getpid(), cores)
