"""How large a run is, and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

ROUND_IT = 300.0
"""Seconds: what comes before and after the measured time takes less."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for.

    Attributes:
        scenario: its name.
        people: in all rooms together.
        seconds: measured; they begin when the ramp is over.
        ramp: seconds in which people arrive.
        processes: that people are divided among.
        witnesses: real documents in each room.
        meetings: documents that each room has, one after the other; all of a run are numbered,
            those of the first meetings before those of the second ones.
    """

    scenario: str
    people: int
    rooms: int
    seconds: float
    ramp: float
    seed: int
    processes: int
    witnesses: int
    meetings: int = 1

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: nobody could run this.
        """
        for name in ("people", "rooms", "processes", "meetings"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.people < max(self.rooms, self.processes):
            raise ValueError("there are more rooms, or processes, than people")
        if self.seconds <= 0 or self.ramp < 0 or self.witnesses < 0:
            raise ValueError("seconds must be above 0, ramp and witnesses not below")

    @property
    def documents(self) -> int:
        """How many there are, of all meetings."""
        return self.rooms * self.meetings

    @property
    def at_once(self) -> int:
        """How many places a meeting of all rooms has: of the people, then of the witnesses, then
        one in each room for whoever prepares it and comes again at the end."""
        return self.people + (self.witnesses + 1) * self.rooms

    @property
    def seats(self) -> int:
        """How many places there are: those of the first meetings, then those of the second ones."""
        return self.at_once * self.meetings

    @property
    def meeting_seconds(self) -> float:
        """How long a meeting takes."""
        return self.seconds / self.meetings

    @property
    def token_seconds(self) -> float:
        """How long whoever takes part has to be let in."""
        return self.ramp + self.seconds + ROUND_IT

    def number_of(self, place: int) -> int:
        """Whose place that is: everybody has one in each meeting."""
        return place % self.at_once

    def room_of(self, place: int) -> int:
        """The document of a place: all kinds of them are dealt out like cards."""
        meeting, number = divmod(place, self.at_once)
        dealt = number if number < self.people else number - self.people
        return meeting * self.rooms + dealt % self.rooms

    def people_in(self, document: int) -> int:
        """How many people meet there."""
        return len(range(document % self.rooms, self.people, self.rooms))

    def arrival(self, number: int) -> float:
        """Seconds after the beginning at which a person is due: evenly over the ramp."""
        return self.ramp * number / self.people

    def begin_of(self, document: int) -> float:
        """Seconds after the beginning at which people go there; evenly over the length of a
        meeting, so that not all rooms change at once."""
        meeting, room = divmod(document, self.rooms)
        if not meeting:
            return 0.0
        return self.ramp + (meeting - room / self.rooms) * self.meeting_seconds

    def end_of(self, document: int) -> float:
        """Seconds after the beginning at which the next meeting begins, or everything ends."""
        following = document + self.rooms
        if following < self.documents:
            return self.begin_of(following)
        return self.ramp + self.seconds

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**content)
