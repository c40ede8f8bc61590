"""A board is reviewed."""

from __future__ import annotations

from collections.abc import Iterable

from loadtest import habits
from loadtest.board import prepared, prepared_id
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario, place_of
from loadtest.thresholds import Threshold

STICKIES = 500
REMARKS = ("Is that so?", "Please say more.", "Agreed.", "This belongs elsewhere.")


class AnnotationReview(Scenario):
    """Viewers comment on stickies, wait for each other, and resolve what they said."""

    name = "annotation_review"
    about = "Viewers comment on the stickies of a board, and resolve their comments."
    people = 40
    thresholds = (
        Threshold("seen.p95", at_most=100.0),
        Threshold("stored.p95", at_most=250.0),
        Threshold("counts.refusals", at_most=0),
    )

    def role(self, place: int) -> str:
        """One edits while the others comment."""
        return "viewer" if place else "editor"

    def prepared(self) -> Iterable[bytes]:
        """What is reviewed."""
        return prepared(STICKIES)

    async def person(self, me: Person) -> None:
        """A reviewer, or the one who wrote it."""
        await me.join()
        if place_of(me):
            await self._review(me)
        else:
            await habits.work(me)

    async def _review(self, me: Person) -> None:
        await habits.look(me)
        while me.is_running:
            await self._comment(me)
            await habits.look(me)

    async def _comment(self, me: Person) -> None:
        """Say something about one of the stickies, and resolve it when it was read."""
        sticky = prepared_id(me.random.randrange(STICKIES))
        remark, update = me.board.annotate(sticky, *habits.spot(me), me.random.choice(REMARKS))
        me.edit(update)
        await habits.wander(me)
        await habits.look(me)
        if me.is_running:
            me.edit(me.board.resolve(remark, "Done."))
