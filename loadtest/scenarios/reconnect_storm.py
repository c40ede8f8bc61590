"""The network goes away, and comes back."""

from __future__ import annotations

from loadtest import habits
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario
from loadtest.thresholds import Threshold

STORM_EVERY = 10.0
"""Seconds from one storm to the next."""

SPREAD = 2.5
"""Seconds within which clients come back: y-websocket waits at most so long."""


class ReconnectStorm(Scenario):
    """Everybody works; then all sockets break at once, and all come back. Again and again."""

    name = "reconnect_storm"
    about = "All sockets are cut at once, and everybody comes back within 2.5 seconds."
    people = 200
    thresholds = (Threshold("join.p95", at_most=2000.0), Threshold("seen.p95", at_most=500.0))

    async def person(self, me: Person) -> None:
        """Pauses add up to the same for everybody, so that all are cut in the same moment; between
        storms everybody works at moments of their own."""
        await me.join()
        await me.pause(me.plan.ramp - me.plan.arrival(me.seat.number))
        shape, phase = habits.put(me), me.random.random()
        while me.is_running:
            await me.pause(phase)
            async for _ in habits.steps(me, STORM_EVERY - SPREAD - 1.0, hertz=1.0):
                x, y = habits.spot(me)
                me.edit(me.board.move(shape, x, y))
                me.point(x, y)
            await me.pause(1.0 - phase)
            if me.is_running:
                await self._storm(me)

    async def _storm(self, me: Person) -> None:
        me.cut()
        back = me.random.uniform(0.0, SPREAD)
        await me.pause(back)
        await me.rejoin()
        await me.pause(SPREAD - back)
