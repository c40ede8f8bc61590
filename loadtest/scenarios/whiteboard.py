"""A team at a whiteboard."""

from __future__ import annotations

from loadtest import habits
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario
from loadtest.thresholds import Threshold


class Whiteboard(Scenario):
    """Everybody looks around, and now and then draws, drags, writes or points."""

    name = "whiteboard"
    about = "A team draws, drags with pauses, types into stickies and points."
    people = 50
    thresholds = (
        Threshold("seen.p95", at_most=100.0),
        Threshold("stored.p95", at_most=250.0),
        Threshold("join.p95", at_most=1000.0),
    )

    async def person(self, me: Person) -> None:
        """One of the team."""
        await me.join()
        await habits.work(me)
