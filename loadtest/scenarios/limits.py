"""What limits are for."""

from __future__ import annotations

from typing import Final

from loadtest import habits
from loadtest.participant import Gone
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario, place_of
from loadtest.thresholds import Threshold

RETRY_LATER: Final = 4503
FLOOD_SECONDS: Final = 6.0
FLOOD_HERTZ: Final = 1000.0
CALLS_A_SECOND: Final = 10.0
"""Six times what a person may write: 100 a minute. It takes ten seconds to be told so."""

_FLOODER, _SERVICE, _SCRIPT = range(3)
"""Places in the room."""


class Unlimited(Exception):  # noqa: N818 - says what is the case
    """Limits were not what they should be."""


class Limits(Scenario):
    """Somebody floods and is sent away; somebody's script writes too often by REST and is told so;
    a backend that writes as often is not, and the others work as if nothing were."""

    name = "limits"
    about = "A flood is stopped, a script told to slow down; a service and the others are well."
    people = 20
    expected_closes = frozenset((RETRY_LATER,))
    needs_api = True
    keeps_limits = True
    thresholds = (
        Threshold("seen.p95", at_most=100.0),
        Threshold("stored.p95", at_most=250.0),
        Threshold("counts.throttled", at_least=1),
        Threshold("counts.rest_errors", at_most=0),
    )

    def role(self, place: int) -> str:
        """One of them is a backend."""
        return "service" if place == _SERVICE else "editor"

    async def person(self, me: Person) -> None:
        """One of those who are well, or of the three others."""
        await me.join()
        place = place_of(me)
        if place == _FLOODER:
            await self._flood(me)
            return
        try:
            await (self._call(me) if place in (_SERVICE, _SCRIPT) else habits.work(me))
        except Gone as gone:
            # Of the flooder that is expected, so nobody has counted it.
            if gone.code == RETRY_LATER:
                raise Unlimited("somebody who floods nothing was sent away") from gone
            raise

    async def _flood(self, me: Person) -> None:
        """Edit as fast as the wire takes it, until the server has had enough; then come back."""
        while me.is_running:
            try:
                await habits.wander(me)
                await self._scribble(me)
            except Gone as gone:
                if gone.code != RETRY_LATER:
                    raise
                await me.rejoin()

    async def _scribble(self, me: Person) -> None:
        """Without marks: what is measured is how the others fare."""
        shape, layer = habits.put(me), 0
        async for part in habits.steps(me, FLOOD_SECONDS, FLOOD_HERTZ):
            layer += 1
            me.edit(me.board.lift(shape, layer))
            if part == 1.0:
                raise Unlimited("nobody stopped a flood of edits")

    async def _call(self, me: Person) -> None:
        """Write by REST without end, whatever the answer."""
        note = await me.rest.create({"object_type": "sticky"})
        if note is None:  # and that is counted
            return
        async for part in habits.steps(me, me.plan.ramp + me.plan.seconds, CALLS_A_SECOND):
            await me.rest.change(note, {"layer": round(1_000_000 * part)})
            if me.rest.is_throttled and place_of(me) == _SERVICE:
                raise Unlimited("a service was told to slow down")
