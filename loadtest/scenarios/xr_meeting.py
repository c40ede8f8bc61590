"""A meeting in a room, with headsets."""

from __future__ import annotations

from crdt_docs.pose_messages import Device
from loadtest import habits
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario, place_of
from loadtest.thresholds import Threshold

DESKTOP_IN = 5
REACH = 8.0
"""Metres from the middle of the room in which furniture stands."""


class XrMeeting(Scenario):
    """Most wear headsets, and take things into their hands; one in five sits at a desktop, and
    moves things by the document."""

    name = "xr_meeting"
    about = "Headsets at 30 Hz that carry furniture, and some people at desktops."
    kind = "xr"
    people = 50
    thresholds = (
        Threshold("pose_age.p95", at_most=100.0),
        Threshold("seen.p95", at_most=150.0),
        Threshold("join.p95", at_most=1000.0),
    )

    async def person(self, me: Person) -> None:
        """Come, bring something along, and move it now and then."""
        is_at_desktop = place_of(me) % DESKTOP_IN == DESKTOP_IN - 1
        await me.join()
        if is_at_desktop:
            me.headset.device = Device.DESKTOP
        await me.headset.hello()
        box, update = me.board.furniture(*_place(me))
        me.edit(update)
        await habits.look(me)
        while me.is_running:
            await (self._drag(me, box) if is_at_desktop else self._carry(me, box))
            await habits.look(me)

    async def _carry(self, me: Person, box: str) -> None:
        """Take it into a hand, walk with it, and put it down."""
        x, y, z = _place(me)
        if await me.headset.claim(box):
            async for part in habits.steps(me, me.random.uniform(1.0, 3.0), hertz=30.0):
                me.headset.hold(box, x + part, y, z)
            me.headset.release(box)

    async def _drag(self, me: Person, box: str) -> None:
        """Drag it over the floor plan."""
        x, y, z = _place(me)
        async for part in habits.steps(me, me.random.uniform(0.5, 1.5)):
            me.edit(me.board.carry(box, x + part, y, z))


def _place(me: Person) -> tuple[float, float, float]:
    return me.random.uniform(-REACH, REACH), 0.4, me.random.uniform(-REACH, REACH)
