"""People who look things up while others draw."""

from __future__ import annotations

from collections.abc import Iterable

from loadtest import habits
from loadtest.board import prepared, prepared_id
from loadtest.person import Person
from loadtest.scenarios.scenario import Scenario, place_of
from loadtest.thresholds import Threshold

STICKIES = 1000
READERS_IN = 3


class SearchAndHistory(Scenario):
    """One in three searches, reads histories and the past, and restores; the others edit."""

    name = "search_and_history"
    about = "Search, history, the past and restoring by REST, beside a board that is edited."
    people = 30
    needs_api = True
    thresholds = (
        Threshold("rest.p95", at_most=500.0),
        Threshold("seen.p95", at_most=100.0),
        Threshold("counts.rest_errors", at_most=0),
        Threshold("counts.refusals", at_most=0),
    )

    def prepared(self) -> Iterable[bytes]:
        """Something to be found."""
        return prepared(STICKIES)

    async def person(self, me: Person) -> None:
        """An editor, or somebody who wants to know what happened."""
        await me.join()
        if place_of(me) % READERS_IN:
            await habits.work(me)
        else:
            await self._inquire(me)

    async def _inquire(self, me: Person) -> None:
        note = await me.rest.create(_note("as it was"))
        await habits.look(me)
        while me.is_running and note is not None:
            await self._look_up(me)
            await habits.look(me)
            await self._regret(me, note)
            await habits.look(me)

    async def _look_up(self, me: Person) -> None:
        """Find something, see how it came to be, and what the board was like then."""
        number = me.random.randrange(STICKIES)
        await me.rest.search(f"note {number}")
        versions = await me.rest.versions(prepared_id(number))
        await me.pause(1.0)
        await me.rest.state(at=versions[0]["changed_at"] if versions else None)

    async def _regret(self, me: Person, note: str) -> None:
        """Change something, and take it back. By REST, as it has no marks: they would be seen once
        more when it is restored."""
        versions = await me.rest.versions(note)
        await me.rest.change(note, _note("as it should not be"))
        await me.pause(1.0)
        if versions:
            await me.rest.restore(note, versions[0]["version"])


def _note(words: str) -> dict[str, object]:
    return {"object_type": "sticky", "properties": {"text": words}}
