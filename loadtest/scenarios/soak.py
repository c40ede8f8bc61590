"""A whiteboard for hours."""

from __future__ import annotations

from loadtest import habits
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario
from loadtest.thresholds import Threshold


class Soak(Scenario):
    """The whiteboard at half its load, for as long as one likes: memory may grow by no more than
    documents have to keep of each edit."""

    name = "soak"
    about = "The whiteboard at half its load, for hours; watches whether memory grows."
    people = 50
    rooms = 2
    seconds = 3600.0
    ramp = 10.0
    thresholds = (Threshold("seen.p95", at_most=100.0), Threshold("stored.p95", at_most=250.0))

    async def person(self, me: Person) -> None:
        """As at the whiteboard, with longer looks; what is old is taken away.

        The boards are as full as they get within four minutes: after the first ten the server's
        memory grows by what edits leave (`benchmarks/growth.py`), and by what is forgotten in it.
        """
        await me.join()
        await habits.work(me, calm=3.0, kept=10)
