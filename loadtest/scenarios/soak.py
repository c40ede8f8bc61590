"""Teams that meet at a whiteboard, again and again, for hours."""

from __future__ import annotations

from typing import Final

from loadtest import habits
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario
from loadtest.thresholds import Threshold

MEETING_SECONDS: Final = 240.0
"""A document may go on growing for ever: it has to know of everything that there ever was. What a
server keeps of meetings that are over is a leak."""

SHORT_MEETING_SECONDS: Final = 20.0
"""Of a run that is short."""


class Soak(Scenario):
    """The whiteboard at half its load, for as long as one likes. A team works for some minutes;
    then everybody leaves, and they meet at a new document."""

    name = "soak"
    about = "The whiteboard at half its load, every 4 minutes a new one; watches memory for hours."
    people = 50
    rooms = 2
    seconds = 3600.0
    ramp = 10.0
    thresholds = (Threshold("seen.p95", at_most=100.0), Threshold("stored.p95", at_most=250.0))

    def meetings(self, seconds: float) -> int:
        """Some even in a short run."""
        few = min(int(seconds / SHORT_MEETING_SECONDS), 3)
        return max(round(seconds / MEETING_SECONDS), few, 1)

    async def person(self, me: Person) -> None:
        """As at the whiteboard, with longer looks; what is old is taken away."""
        await me.join()
        await habits.work(me, calm=3.0, kept=10)
        while await me.move(me.random.uniform(1.0, 5.0)):
            await habits.work(me, calm=3.0, kept=10)
