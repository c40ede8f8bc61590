"""A lecture begins."""

from __future__ import annotations

from collections.abc import Iterable

from loadtest import habits
from loadtest.board import prepared
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario, place_of
from loadtest.thresholds import Threshold

STICKIES = 5000


class JoinStorm(Scenario):
    """A board of thousands of stickies, and everybody opens it in the same moment."""

    name = "join_storm"
    about = "Everybody opens a board of 5,000 stickies in the same moment."
    people = 200
    seconds = 20.0
    ramp = 0.0
    thresholds = (Threshold("join.p95", at_most=5000.0), Threshold("seen.p95", at_most=1000.0))

    def prepared(self) -> Iterable[bytes]:
        """What was there before the lecture."""
        return prepared(STICKIES)

    async def person(self, me: Person) -> None:
        """Open it; then two go on working, and the others look on."""
        await me.join()
        if place_of(me) < 2:
            await habits.work(me)
        else:
            await habits.watch(me, seconds=10.0)
