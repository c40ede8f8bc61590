"""A presentation."""

from __future__ import annotations

from loadtest import habits
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario, place_of
from loadtest.thresholds import Threshold


class Crowd(Scenario):
    """One person presents without a pause; everybody else looks on, and points now and then."""

    name = "crowd"
    about = "One presenter, and many viewers who look on."
    people = 200
    thresholds = (Threshold("seen.p95", at_most=100.0), Threshold("join.p95", at_most=1000.0))

    def role(self, place: int) -> str:
        """The first one presents."""
        return "viewer" if place else "host"

    async def person(self, me: Person) -> None:
        """The presenter, or one of the crowd."""
        await me.join()
        if place_of(me):
            await habits.watch(me, seconds=20.0)
        else:
            await habits.work(me, calm=0.1)
