"""What a scenario is: who comes, what they do, and what is expected of the server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Literal

from loadtest.person import Person
from loadtest.thresholds import Threshold


class Scenario(ABC):
    """A story of many people. There is one object of it in each process; people share nothing.

    Attributes:
        name: as the command line has it.
        about: one sentence.
        kind: of documents: of sessions, or of XR rooms.
        people: in all rooms together, unless the run says otherwise; so the next three.
        seconds: measured; they begin when the ramp is over.
        ramp: seconds in which people arrive, evenly.
        thresholds: what makes a run of it fail.
        expected_closes: codes with which sockets may be closed in this story.
        needs_api: it calls this server's REST API: others cannot run it.
        keeps_limits: the server has its ordinary limits; in other stories people may be many on
            one address, and come at once.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    kind: ClassVar[Literal["ocw", "xr"]] = "ocw"
    people: ClassVar[int]
    rooms: ClassVar[int] = 1
    seconds: ClassVar[float] = 30.0
    ramp: ClassVar[float] = 5.0
    thresholds: ClassVar[tuple[Threshold, ...]] = ()
    expected_closes: ClassVar[frozenset[int]] = frozenset()
    needs_api: ClassVar[bool] = False
    keeps_limits: ClassVar[bool] = False

    def role(self, place: int) -> str:
        """As what somebody comes, where servers know roles.

        Args:
            place: in the room, from 0: number // rooms.

        Returns:
            `host`, `editor`, `viewer`, or `service` for somebody with a service's token.
        """
        del place  # most stories are of editors
        return "editor"

    def prepared(self) -> Iterable[bytes]:
        """Updates that stand in each room before anybody comes."""
        return ()

    def meetings(self, seconds: float) -> int:
        """How many documents each room has in so many seconds, one after the other; people go to
        the next one by `move`."""
        del seconds  # most people stay where they are
        return 1

    @abstractmethod
    async def person(self, me: Person) -> None:
        """The story of one person, from coming until the run is over; nobody has to leave."""


def place_of(me: Person) -> int:
    """Which one of the people in the room somebody is, from 0."""
    return me.seat.number // me.plan.rooms
