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
    """

    scenario: str
    people: int
    rooms: int
    seconds: float
    ramp: float
    seed: int
    processes: int
    witnesses: int

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: nobody could run this.
        """
        for name in ("people", "rooms", "processes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.people < max(self.rooms, self.processes):
            raise ValueError("there are more rooms, or processes, than people")
        if self.seconds <= 0 or self.ramp < 0 or self.witnesses < 0:
            raise ValueError("seconds must be above 0, ramp and witnesses not below")

    @property
    def seats(self) -> int:
        """How many places there are: of the people, then of the witnesses, then one in each room
        for whoever prepares it and comes again at the end."""
        return self.people + (self.witnesses + 1) * self.rooms

    @property
    def token_seconds(self) -> float:
        """How long whoever takes part has to be let in."""
        return self.ramp + self.seconds + ROUND_IT

    def room_of(self, number: int) -> int:
        """The room of a seat: all kinds of them are dealt out like cards."""
        if number < self.people:
            return number % self.rooms
        return (number - self.people) % self.rooms

    def arrival(self, number: int) -> float:
        """Seconds after the beginning at which a person is due: evenly over the ramp."""
        return self.ramp * number / self.people

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**content)
