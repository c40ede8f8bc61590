"""Some have a bad connection."""

from __future__ import annotations

from loadtest import habits
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario, place_of
from loadtest.thresholds import Threshold

ONE_IN = 5


class SlowReaders(Scenario):
    """One in five takes nothing from its socket for seconds, again and again. What counts is what
    the others notice of that: of the slow ones themselves no delay is measured."""

    name = "slow_readers"
    about = "One in five stops reading for seconds at a time; the others must not notice."
    people = 50
    thresholds = (Threshold("seen.p95", at_most=100.0), Threshold("stored.p95", at_most=250.0))

    async def person(self, me: Person) -> None:
        """Somebody on a train, or somebody else."""
        await me.join()
        if place_of(me) % ONE_IN:
            await habits.work(me)
        else:
            await self._read_slowly(me)

    async def _read_slowly(self, me: Person) -> None:
        while me.is_running:
            await me.pause(me.random.uniform(2.0, 5.0))
            me.stop_reading()
            await me.pause(me.random.uniform(3.0, 8.0))
            me.read_again()
