"""A campus: many small rooms at once."""

from __future__ import annotations

from loadtest import habits
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario, place_of
from loadtest.thresholds import Threshold

SPEAKERS = 3


class MixedCampus(Scenario):
    """In each room a few work at the board, and the others follow; some rooms are busier."""

    name = "mixed_campus"
    about = "Fifty rooms of twenty: in each a few work, and the others follow."
    people = 1000
    rooms = 50
    ramp = 15.0
    thresholds = (
        Threshold("seen.p95", at_most=100.0),
        Threshold("stored.p95", at_most=250.0),
        Threshold("join.p95", at_most=1000.0),
    )

    def role(self, place: int) -> str:
        """In a seminar most people only read."""
        return "editor" if place < SPEAKERS else "viewer"

    async def person(self, me: Person) -> None:
        """A student, or somebody who leads a seminar."""
        await me.join()
        is_busy = me.seat.room % 5 == 0
        if place_of(me) < SPEAKERS:
            await habits.work(me, calm=1.0 if is_busy else 4.0)
        else:
            await habits.watch(me, seconds=10.0 if is_busy else 40.0)
